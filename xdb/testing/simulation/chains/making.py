"""One chain of each personality."""

from typing import Literal, assert_never

from xdb.model.registry import Parameters
from xdb.testing.chain import MemoryChain
from xdb.testing.simulation.chains.chain import Chain
from xdb.testing.simulation.chains.immediate import ImmediateChain
from xdb.testing.simulation.clock import SimulatedClock
from xdb.testing.simulation.run import Simulation

Personality = Literal["immediate", "ethereum", "fabric"]


def make_chain(
    personality: Personality,
    simulation: Simulation,  # noqa: ARG001  # the other personalities draw and record
    parameters: Parameters,
    clock: SimulatedClock,
    *,
    lag: int = 0,
) -> Chain:
    """A chain with one block. `lag` is for the immediate one: blocks until one is final."""
    match personality:
        case "immediate":
            return ImmediateChain(MemoryChain(parameters, clock, lag=lag), clock)
        case "ethereum" | "fabric":
            raise NotImplementedError(personality)
        case _:
            assert_never(personality)
