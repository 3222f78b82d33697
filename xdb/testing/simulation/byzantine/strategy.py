"""A strategy: who follows it, how it is done, and what must come of it."""

from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from xdb.core.rules.seeds import newest
from xdb.core.rules.state import State
from xdb.errors import RefusedCallError
from xdb.model.calls import Call
from xdb.model.ids import NodeId
from xdb.model.refusal import Refusal
from xdb.ports.blockchain import Inclusion, Registry
from xdb.ports.entropy import Entropy
from xdb.testing.simulation.byzantine.arena import Arena
from xdb.testing.simulation.byzantine.masks import masked
from xdb.testing.simulation.nodes import SimulatedStorage
from xdb.testing.simulation.twist import Twist
from xdb.testing.simulation.world import World


class Kind(Enum):
    """Who follows a strategy."""

    NODE = "node"
    OWNER = "owner"


class Means(Enum):
    """How a cheat shows."""

    FAILED = "failed"  # on chain: it admitted a loss
    MISSED = "missed"  # on chain: no valid proof before the epoch closed
    WRONG = "wrong"  # a probe was shown something that nobody signed for
    REFUSED = "refused"  # a probe was refused what the node holds
    LISTED = "listed"  # the node itself says that something is damaged
    SILENT = "silent"  # a probe got no answer


class Outcome(Enum):
    """What must come of it."""

    CAUGHT = "caught"  # seen within the bound, and what it held is on others
    HARMLESS = "harmless"  # refused, or of no effect; nobody is blamed
    UNSEEN = "unseen"  # known not to be found by proofs: the trial measures it


@dataclass(frozen=True, slots=True)
class Expected:
    """`by` are means of which one shows within so many epochs; none when nothing must show."""

    outcome: Outcome
    by: frozenset[Means] = frozenset()
    within: int = 0


HARMLESS = Expected(Outcome.HARMLESS)
UNSEEN = Expected(Outcome.UNSEEN)


def caught(within: int, *by: Means) -> Expected:
    """Seen by one of these means within so many epochs."""
    return Expected(Outcome.CAUGHT, frozenset(by), within)


@dataclass
class Plot:
    """What those have at hand who follow a strategy. `deeds` counts what they did."""

    world: World
    entropy: Entropy
    deeds: Counter[str] = field(default_factory=Counter)
    cheats: list[SimulatedStorage] = field(default_factory=list)
    innocent: set[NodeId] = field(default_factory=set)  # of them: who gives no cause for blame

    def newest_epoch(self) -> int:
        """The newest epoch that has a seed; 0 before the first."""
        seed = newest(State(self.world.chain.state))
        return 0 if seed is None else seed.epoch

    def counted(self, registry: Registry) -> Registry:
        """A registry whose refusals are counted among the deeds."""

        async def submit(call: Call) -> Inclusion:
            try:
                return await registry.submit(call)
            except RefusedCallError as error:
                name = Refusal(error.refusal).name.lower()
                self.deeds[f"{type(call).__name__} refused: {name}"] += 1
                raise

        return masked(registry, submit=submit)


Corrupt = Callable[[Plot, SimulatedStorage], Twist]
"""Gives the twist of one of the cheats."""
Attack = Callable[[Plot, Arena], Coroutine[Any, Any, None]]
"""What a dishonest owner does."""


@dataclass(frozen=True, slots=True)
class Strategy:
    """`deed` is what must have been done at least once, or the trial has shown nothing.

    `nodes` is how many follow it together; with `receives` the deed is done to new files.
    """

    name: str
    kind: Kind
    expected: Expected
    deed: str
    corrupt: Corrupt | None = None
    attack: Attack | None = None
    nodes: int = 1
    receives: bool = False
