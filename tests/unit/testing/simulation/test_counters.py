import pytest

from xdb.testing.simulation.counters import Counters
from xdb.testing.simulation.run import run

STATES = ("reorg during repair", "crash during recovery")


def test_what_many_runs_never_reached_is_named():
    async def main(simulation):
        if simulation.tape.seed == 3:
            simulation.counters.reached("crash during recovery")

    together = Counters(STATES)
    for seed in range(5):
        together.merge(run(seed, main, states=STATES).reached)
    assert together.counts() == {"crash during recovery": 1, "reorg during repair": 0}
    assert together.unreached() == ["reorg during repair"]


def test_a_state_that_is_not_declared_is_refused():
    counters = Counters(STATES)
    with pytest.raises(KeyError, match="declare it"):
        counters.reached("crash in recovery")
    with pytest.raises(ValueError, match="reorg during repair"):
        counters.merge({"crash during recovery": 1})
