"""What goes wrong on the chain of a simulated network, and on the way to it."""

from dataclasses import dataclass

from xdb.testing.simulation.draws import below
from xdb.testing.simulation.fate import Fate, Fault

UNREST_STATES = (
    "the chain was reorganised",
    "waiting calls were forgotten",
    "a node saw an old chain",
    "a node was cut off from the chain",
)
DEEPEST = 7
"""Blocks that a reorganisation takes back, at most; never a final one."""


@dataclass
class Unrest:
    """Faults of the chain. One that the chain of a life does not know does not happen."""

    fate: Fate

    def faults(self) -> list[tuple[int, Fault]]:
        """What may happen, and how often in relation to the rest."""
        return [
            (4, self.reorganise),
            (2, self.drop),
            (3, self.stall),
            (3, self.cut),
        ]

    async def reorganise(self) -> None:
        """The newest blocks are others."""
        depth = 1 + below(self.fate.simulation.tape.stream("chain"), DEEPEST)
        if self.fate.world.chain.reorganise(depth):
            self.fate.count("the chain was reorganised")

    async def drop(self) -> None:
        """Nobody keeps calls that wait, but for who sent them."""
        if self.fate.world.chain.drop():
            self.fate.count("waiting calls were forgotten")

    async def stall(self) -> None:
        """A node, or the owner, is told nothing new for a while."""
        with self.fate.on_the_way() as (name, seconds):
            if self.fate.world.chain.stall(name, seconds):
                self.fate.count("a node saw an old chain")
                await self.fate.world.clock.sleep(seconds)

    async def cut(self) -> None:
        """A node, or the owner, does not reach the chain for a while."""
        with self.fate.on_the_way() as (name, seconds):
            if self.fate.world.chain.cut(name, seconds):
                self.fate.count("a node was cut off from the chain")
                await self.fate.world.clock.sleep(seconds)

    async def heal(self) -> None:
        """All of it is over."""
        self.fate.world.chain.heal()
