"""The chain: calls go in, blocks of events come out."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from xdb.model.calls import Call
from xdb.model.events import Event
from xdb.model.ids import Deployment, Digest
from xdb.model.registry import Parameters


@dataclass(frozen=True, slots=True)
class Inclusion:
    """Where and when a call took effect."""

    height: int
    time: int
    transaction: Digest


@dataclass(frozen=True, slots=True)
class Head:
    """The newest block known, and the newest one that cannot be undone."""

    height: int
    time: int
    final: int


@dataclass(frozen=True, slots=True)
class BlockEpoch:
    """The epoch of a block, on a chain that counts epochs in blocks.

    `start` is the chain time at which it began; what enters a node's address space in this
    block counts for the draws of epochs after `enters`.
    """

    number: int
    start: int
    enters: int


@dataclass(frozen=True, slots=True)
class BlockEvents:
    """All events of one block, in order. Blocks without events are delivered, too.

    `epoch` is None where the epoch follows from the time.
    """

    height: int
    time: int
    events: tuple[Event, ...]
    epoch: BlockEpoch | None = None


@dataclass(frozen=True, slots=True)
class Rollback:
    """Every block above `height` is undone."""

    height: int


@dataclass(frozen=True, slots=True)
class Final:
    """Every block up to `height` is final. May come before the blocks themselves."""

    height: int


class Registry(Protocol):
    """Submits calls signed by the identity the port was opened with."""

    @property
    def deployment(self) -> Deployment:
        """What all signatures name."""
        ...

    @property
    def parameters(self) -> Parameters:
        """Fixed at deployment."""
        ...

    async def submit(self, call: Call) -> Inclusion:
        """Returns when the call is included and took effect, exactly once.

        Raises RefusedCallError when the registry refused it, TimeoutExpiredError
        when the outcome is unknown, UnavailableError when it was not taken.
        """
        ...


class ChainEvents(Protocol):
    """The history, from a cursor on."""

    def follow(self, after: int) -> AsyncIterator[BlockEvents | Rollback | Final]:
        """Blocks above height `after`, then new ones as they come, without end.

        Heights are consecutive but for rollbacks. Raises UnavailableError when
        the connection is lost, IntegrityError on a chain that contradicts itself.
        Call again with the last final height, and take back what was above it: a
        height does not tell whether the chain has other blocks there by now.
        """
        ...
