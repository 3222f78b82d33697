"""Locks by name."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class KeyedLock:
    """One holder to a name at a time; keeps nothing for names that nobody wants."""

    def __init__(self) -> None:
        self._wanted: dict[object, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def alone(self, name: object) -> AsyncIterator[None]:
        """Waits until nobody else holds `name`."""
        lock, count = self._wanted.get(name, (asyncio.Lock(), 0))
        self._wanted[name] = (lock, count + 1)
        try:
            async with lock:
                yield
        finally:
            lock, count = self._wanted[name]
            if count > 1:
                self._wanted[name] = (lock, count - 1)
            else:
                del self._wanted[name]
