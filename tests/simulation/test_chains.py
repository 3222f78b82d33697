"""Short lives on chains of other personalities: what holds on one chain holds on all."""

import os

import pytest

from xdb.testing.simulation.chains import CHAIN_STATES
from xdb.testing.simulation.life import STATES, LifeConfig, live
from xdb.testing.simulation.run import run
from xdb.testing.simulation.world import WorldConfig

SEEDS = 40 if os.environ.get("XDB_LONG") else 1
EXPECTED = {
    "ethereum": ["a slot was missed", "a transaction was sent again"],
    "fabric": ["an MVCC conflict was started over", "a commit status was lost"],
}


def short_life(personality, seed, hours=4):
    """A few hours."""
    world = WorldConfig(personality=personality)
    config = LifeConfig(hours=hours, operations=2 * hours, faults=hours - 1, world=world)

    async def main(simulation):
        life = await live(simulation, config)
        return len(life.account.files)

    return run(seed, main, states=(*STATES, *CHAIN_STATES))


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("personality", EXPECTED)
def test_every_file_outlives_its_chains_moods(personality, seed):
    outcome = short_life(personality, seed)
    assert outcome.result
    assert [state for state in EXPECTED[personality] if not outcome.reached[state]] == []


@pytest.mark.parametrize("personality", EXPECTED)
def test_the_same_seed_is_the_same_life_on_every_chain(personality):
    assert short_life(personality, 2, hours=2) == short_life(personality, 2, hours=2)
