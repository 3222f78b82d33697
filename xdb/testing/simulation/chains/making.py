"""One chain of each personality."""

from typing import Literal, assert_never

from xdb.model.registry import Parameters
from xdb.testing.chain import MemoryChain
from xdb.testing.simulation.chains.chain import Chain
from xdb.testing.simulation.chains.ethereum import EthereumChain
from xdb.testing.simulation.chains.fabric import FabricChain
from xdb.testing.simulation.chains.immediate import ImmediateChain
from xdb.testing.simulation.chains.notes import Notes
from xdb.testing.simulation.clock import SimulatedClock
from xdb.testing.simulation.run import Simulation

Personality = Literal["immediate", "ethereum", "fabric"]


def make_chain(
    personality: Personality,
    simulation: Simulation,
    parameters: Parameters,
    clock: SimulatedClock,
    *,
    lag: int = 0,
) -> Chain:
    """A chain with one block. `lag` is for the immediate one: blocks until one is final."""
    match personality:
        case "immediate":
            return ImmediateChain(MemoryChain(parameters, clock, lag=lag), clock)
        case "ethereum":
            draw = simulation.tape.stream("chain")
            return EthereumChain(parameters, clock, draw, Notes(simulation))
        case "fabric":
            draw = simulation.tape.stream("chain")
            return FabricChain(parameters, clock, draw, Notes(simulation))
        case _:
            assert_never(personality)
