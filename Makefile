# Everything starts from here. `make help` lists the targets.
.DEFAULT_GOAL := help
.PHONY: help setup demo test simulate mutants lint generate bench nightly clean

PYTHON  ?= python3
SEEDS   ?= 10
PROFILE ?= brief
JOBS    ?= 1
CHAIN   ?= embedded
VENV    ?= .venv
BIN     := $(VENV)/bin
STAMP   := $(VENV)/.ready
CONTRACTS := xdb/blockchain/ethereum/contracts
EVM     := $(CONTRACTS)/node_modules/.package-lock.json

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

$(STAMP): pyproject.toml deploy/requirements.lock deploy/setup.sh
	@PYTHON="$(PYTHON)" VENV="$(VENV)" bash deploy/setup.sh
	@touch $@

setup: $(STAMP) ## virtual environment with everything in it

$(EVM): $(CONTRACTS)/package-lock.json
	npm ci --prefix $(CONTRACTS) --silent --no-audit --no-fund
	@touch $@

demo: $(STAMP) $(if $(filter ethereum,$(CHAIN)),$(EVM)) ## a network of real processes does the main job: CHAIN=embedded or ethereum
	@$(BIN)/python -m xdb.testnet.demo --chain $(CHAIN)

test: $(STAMP) ## the tests
	@$(BIN)/python tests/tools.py
	@$(BIN)/python -m pytest -n 2 -q

simulate: $(STAMP) ## lives of simulated networks, by seed: SEEDS=N or A-B
	@$(BIN)/python -m xdb.testing.simulation $(SEEDS) --profile $(PROFILE) --jobs $(JOBS)

mutants: $(STAMP) ## bugs made on purpose, each of which the simulation has to find
	@$(BIN)/python tests/simulation/mutants.py

lint: $(STAMP) ## linters, types, layers, sizes, generated code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/limits.py
	$(BIN)/python proto/generate.py --check

generate: $(STAMP) ## proto/ -> xdb/pb/
	$(BIN)/python proto/generate.py

bench: $(STAMP) ## throughput, latency and memory beside the primitives' limits
	$(BIN)/python bench/throughput.py
	$(BIN)/python bench/audits.py

nightly: $(STAMP) ## the long campaigns
	XDB_LONG=1 $(BIN)/python -m pytest -n 2 -q
	$(BIN)/python -m xdb.testing.simulation 1500 --profile dense --jobs 2 --all
	$(BIN)/python -m xdb.testing.simulation 100 --profile sparse --jobs 2
	$(BIN)/python -m xdb.testing.simulation 200 --profile beyond --jobs 2
	$(BIN)/python -m xdb.testing.simulation.byzantine 0-9
	$(BIN)/python tests/simulation/mutants.py

clean: ## removes what setup and tests made
	rm -rf $(VENV) .uv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
