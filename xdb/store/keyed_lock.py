"""Locks by name, for one alone or for several together."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(eq=False, slots=True)
class _Door:
    """Who is behind it, and who waits in front, with whether alone."""

    inside: int = 0
    closed: bool = False  # one is inside alone
    queue: deque[tuple[asyncio.Future[None], bool]] = field(default_factory=deque)

    def admits(self, alone: bool) -> bool:  # noqa: FBT001  # the one thing asked
        return not self.closed and not (alone and self.inside)


class KeyedLock:
    """First come, first served; keeps nothing for names that nobody wants."""

    def __init__(self) -> None:
        self._doors: dict[object, _Door] = {}

    @asynccontextmanager
    async def alone(self, name: object) -> AsyncIterator[None]:
        """Waits until nobody else holds `name`."""
        await self._enter(name, alone=True)
        try:
            yield
        finally:
            self._leave(name)

    @asynccontextmanager
    async def together(self, name: object) -> AsyncIterator[None]:
        """Waits until nobody holds `name` alone."""
        await self._enter(name, alone=False)
        try:
            yield
        finally:
            self._leave(name)

    async def _enter(self, name: object, *, alone: bool) -> None:
        door = self._doors.setdefault(name, _Door())
        if not door.queue and door.admits(alone):
            door.inside, door.closed = door.inside + 1, alone
            return
        turn = asyncio.get_running_loop().create_future()
        door.queue.append((turn, alone))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._admit(name, door)
            else:
                self._leave(name)
            raise

    def _leave(self, name: object) -> None:
        door = self._doors[name]
        door.inside, door.closed = door.inside - 1, False
        self._admit(name, door)

    def _admit(self, name: object, door: _Door) -> None:
        while door.queue:
            turn, alone = door.queue[0]
            if turn.cancelled():
                door.queue.popleft()
                continue
            if not door.admits(alone):
                break
            door.queue.popleft()
            door.inside, door.closed = door.inside + 1, alone
            turn.set_result(None)
        if not door.inside and not door.queue:
            self._doors.pop(name, None)
