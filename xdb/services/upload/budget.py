"""Memory that all uploads share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Budget:
    """So many bytes in flight at once; what is larger than all of it goes alone."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._freed = asyncio.Condition()

    async def take(self, size: int) -> None:
        """Waits until `size` bytes are free. They are given back by `give`."""
        async with self._freed:
            await self._freed.wait_for(lambda: not self._used or self._used + size <= self._limit)
            self._used += size

    async def give(self, size: int) -> None:
        """Gives bytes back."""
        self._used -= size
        async with self._freed:
            self._freed.notify_all()

    @asynccontextmanager
    async def hold(self, size: int) -> AsyncIterator[None]:
        """Holds `size` bytes for the length of the block."""
        await self.take(size)
        try:
            yield
        finally:
            await self.give(size)
