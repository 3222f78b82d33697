"""Room: capacity, quotas, and the bytes under way."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from xdb.errors import OverloadedError, StorageFullError
from xdb.model.ids import Address


@dataclass(frozen=True, slots=True)
class RoomConfig:
    """Limits in bytes; a quota of 0 means none. `reserve` of the disk is never filled."""

    capacity: int
    reserve: int = 64 << 20
    quota: int = 0
    in_flight: int = 64 << 20
    waiting: int = 256  # replicas that may wait for bytes in flight


class Room:
    """Counts what is used and by whom; lets only so many bytes be worked on at once."""

    def __init__(self, config: RoomConfig) -> None:
        self._config = config
        self._used: Counter[Address] = Counter()
        self._promised: Counter[Address] = Counter()
        self._in_flight = 0
        self._waiting = 0
        self._freed = asyncio.Condition()

    @property
    def used(self) -> int:
        """Bytes of all replicas and manifests."""
        return self._used.total()

    def used_by(self, owner: Address) -> int:
        """Bytes of one owner."""
        return self._used[owner]

    def add(self, owner: Address, size: int) -> None:
        """Counts what is stored."""
        self._used[owner] += size

    def remove(self, owner: Address, size: int) -> None:
        """Counts what is no longer stored."""
        self._used[owner] -= size

    def free(self, on_disk: int) -> int:
        """Bytes that still can be taken, given what the disk has left."""
        left = self._config.capacity - self.used - self._promised.total()
        return max(0, min(left, on_disk - self._config.reserve - self._promised.total()))

    def check(self, owner: Address, size: int, on_disk: int) -> None:
        """StorageFullError when `size` bytes more would be too many."""
        if not size:
            return  # it takes the place of what is counted already
        free = self.free(on_disk)
        if size > free:
            raise StorageFullError(
                f"the node has {free} bytes left of {self._config.capacity}, {size} are needed: "
                "choose another node"
            )
        quota, used = self._config.quota, self._used[owner] + self._promised[owner]
        if quota and used + size > quota:
            raise StorageFullError(
                f"owner {owner.hex()} uses {used} of a quota of {quota} bytes, {size} more are "
                "too many: delete files, or ask the node's operator for more"
            )

    @asynccontextmanager
    async def taken(
        self, owner: Address, size: int, on_disk: int, *, counted: bool = False
    ) -> AsyncIterator[None]:
        """Promises room for `size` bytes, and waits until they may be worked on.

        Bytes that are counted already, for they were here before, need none.
        """
        new = 0 if counted else size
        self.check(owner, new, on_disk)
        self._promised[owner] += new
        try:
            await self._enter(size)
            try:
                yield
            finally:
                await self._leave(size)
        finally:
            self._promised[owner] -= new

    async def _enter(self, size: int) -> None:
        if self._waiting >= self._config.waiting:
            raise OverloadedError(
                f"{self._waiting} replicas wait already: try again in a few seconds"
            )
        self._waiting += 1
        try:
            async with self._freed:
                # a single replica larger than the limit goes alone
                await self._freed.wait_for(
                    lambda: not self._in_flight or self._in_flight + size <= self._config.in_flight
                )
                self._in_flight += size
        finally:
            self._waiting -= 1

    async def _leave(self, size: int) -> None:
        self._in_flight -= size
        async with self._freed:
            self._freed.notify_all()
