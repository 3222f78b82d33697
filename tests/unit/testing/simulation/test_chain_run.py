"""The chain's real servers and followers over the simulated network, in the simulated loop."""

import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from xdb.core.rules.state import State
from xdb.testing.keys import NamedKey
from xdb.testing.simulation.run import run

SCRIPT = Path(__file__).with_name("chain_run.py")


def script():
    spec = spec_from_file_location("chain_run", SCRIPT)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def traced(seed, hash_seed):
    done = subprocess.run(
        [sys.executable, SCRIPT, str(seed)],
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


@pytest.mark.parametrize("seed", range(5))
def test_all_calls_come_into_the_chain_and_all_followers_get_it(seed):
    made = script()
    outcome = run(seed, made.main)
    (source, *others), faults = outcome.result
    keys = [NamedKey(f"{host}-{n}") for host in ("one", "two") for n in range(made.CALLS)]
    assert all(State(source.state).node(key.node) for key in keys)
    for other in others:
        height = other.head.height
        assert all(State(other.state).node(key.node) for key in keys)
        assert other.id_of(height) == source.id_of(height)
    assert faults.keys() >= {"lost", "broken", "duplicated", "held"}


def test_processes_with_other_hashes_give_the_same_trace():
    first, again, other = traced(7, 1), traced(7, 2), traced(8, 1)
    assert first[0] == again[0] != other[0]
    assert first[1] != again[1]
