"""How clients of a simulated owner node ask it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from xdb.errors import UnavailableError
from xdb.node.owner import OwnerNode
from xdb.testing.simulation.nodes import SimulatedOwner
from xdb.testing.simulation.oversight import ViolationError
from xdb.testing.simulation.paces import HOUR

T = TypeVar("T")

CHUNK = 40_000
PATIENCE = 12 * HOUR
"""Within which every operation has to end, well or not."""


async def ask(
    loop: asyncio.AbstractEventLoop,
    owner: SimulatedOwner,
    work: Callable[[OwnerNode], Awaitable[T]],
) -> T:
    """What the owner node answers; UnavailableError when it is down, or goes down."""
    life = owner.life
    if owner.node is None or life is None:
        raise UnavailableError("the owner node is down")

    async def asked(node: OwnerNode) -> T:
        return await work(node)

    task = life.start(asked(owner.node), name="request")
    late = loop.call_later(PATIENCE, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        if late.when() <= loop.time():
            raise ViolationError(f"an operation takes over {PATIENCE:.0f} s") from None
        if life.alive:
            raise
        raise UnavailableError("the owner node went down") from None
    finally:
        late.cancel()


@dataclass
class Source:
    """Where a client takes data from, and whether anybody asked for it.

    `breaks_at` is the byte at which the client goes away.
    """

    data: bytes
    breaks_at: int | None = None
    taken: bool = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """All of it."""
        self.taken = True
        for start in range(0, len(self.data), CHUNK):
            if self.breaks_at is not None and start + CHUNK > self.breaks_at:
                raise UnavailableError("the client went away")
            yield self.data[start : start + CHUNK]
