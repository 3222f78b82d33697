"""Memory that many share."""

import asyncio
from collections import deque


class Budget:
    """So many bytes in flight at once; what is larger than all of it goes alone.

    First come, first served, so that a large one is not passed for ever by small ones.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, size: int) -> None:
        """Waits until `size` bytes are free. They are given back by `give`."""
        if not self._waiting and self._fits(size):
            self.used += size
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            was_given = turn.done() and not turn.cancelled()
            self.give(size if was_given else 0)
            raise

    def has(self, size: int) -> bool:
        """Whether `size` bytes are free, and nobody waits for them."""
        return not self._waiting and self._fits(size)

    def force(self, size: int) -> None:
        """Takes `size` bytes, whether they are free or not."""
        self.used += size

    def give(self, size: int) -> None:
        """Gives bytes back."""
        self.used -= size
        while self._waiting:
            wanted, turn = self._waiting[0]
            if not turn.done() and not self._fits(wanted):
                return
            self._waiting.popleft()
            if not turn.done():
                self.used += wanted
                turn.set_result(None)

    def _fits(self, size: int) -> bool:
        return not self.used or self.used + size <= self.limit
