"""Lives of whole networks of real nodes, one for each seed: `make simulate` runs more of them."""

import os

import pytest

from xdb.testing.simulation.__main__ import seeds_of, simulate
from xdb.testing.simulation.life import STATES, LifeConfig

SEEDS = 200 if os.environ.get("XDB_LONG") else 4


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_file_outlives_what_redundancy_bears(seed):
    outcome = simulate(seed, LifeConfig())
    assert outcome.seconds >= LifeConfig().hours * 3600
    assert set(outcome.reached) == set(STATES)
    assert outcome.reached["a file was uploaded"]


def test_the_same_seed_is_the_same_life():
    config = LifeConfig(hours=3, operations=8, faults=3)
    first, second = simulate(1, config), simulate(1, config)
    assert first == second
    assert simulate(2, config).trace != first.trace


@pytest.mark.parametrize(("text", "seeds"), [("3", [0, 1, 2]), ("4-6", [4, 5, 6])])
def test_which_seeds_are_meant(text, seeds):
    assert list(seeds_of(text)) == seeds
