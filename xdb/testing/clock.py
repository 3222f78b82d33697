"""A clock that a test moves."""

import asyncio
import heapq
from itertools import count


class FakeClock:
    """`Clock` that stands until `advance` moves it; sleepers wake in the order of their time."""

    def __init__(self, wall: float = 1_800_000_000.0) -> None:
        self._start = wall
        self._now = 0.0
        self._order = count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def wall(self) -> float:
        """See `Clock`."""
        return self._start + self._now

    def monotonic(self) -> float:
        """See `Clock`."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """See `Clock`."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        wake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), wake))
        await wake

    def jump(self, seconds: float) -> None:
        """Sets the wall clock ahead or back, as an operator does; nobody wakes."""
        self._start += seconds

    async def advance(self, seconds: float) -> None:
        """Lets time pass, waking each sleeper at its time and letting it run."""
        end = self._now + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            self._now, _, wake = heapq.heappop(self._sleepers)
            if not wake.done():
                wake.set_result(None)
            await settle()
        self._now = end

    @property
    def sleepers(self) -> int:
        """How many are waiting."""
        return sum(not wake.done() for _, _, wake in self._sleepers)


async def settle(rounds: int = 50) -> None:
    """Lets everything that can run do so."""
    for _ in range(rounds):
        await asyncio.sleep(0)
