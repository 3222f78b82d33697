"""The history of a store, as `ChainEvents`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace

from xdb.blockchain.ethereum.deployment import Terms
from xdb.blockchain.ethereum.endpoints import Endpoints
from xdb.blockchain.ethereum.store import BlockStore
from xdb.blockchain.waiting import within
from xdb.errors import TimeoutExpiredError, UnavailableError
from xdb.ports.blockchain import BlockEpoch, BlockEvents, Final, Rollback
from xdb.ports.clock import Clock

LOOK = 5.0
"""Seconds between looks at whether the chain is still to be believed."""


class EthereumEvents:
    """`ChainEvents` for one reader, which is told of every branch it may have followed."""

    def __init__(self, store: BlockStore, terms: Terms, endpoints: Endpoints, clock: Clock) -> None:
        self._store = store
        self._terms = terms
        self._endpoints = endpoints
        self._clock = clock
        self._seen = 0  # number of the newest branch that was told

    async def follow(self, after: int) -> AsyncIterator[BlockEvents | Rollback | Final]:
        """See `ChainEvents`. UnavailableError while the chain must not be judged.

        So that whoever judges by this history does not while it stands still.
        """
        height, final = after, -1
        while True:
            change = self._store.change
            back = self._taken_back(height)
            if back is not None:
                height = back
                yield Rollback(height)
            elif final < self._store.final and final < self._store.top.height:
                final = min(self._store.final, self._store.top.height)
                await self._store.tell(final)
                yield Final(final)
            elif height < self._store.top.height:
                height += 1
                yield self._block(height)
            else:
                await self._wait(change)

    def _block(self, height: int) -> BlockEvents:
        """A block with its epoch, which is counted in blocks."""
        number = self._terms.epoch_of(height)
        start = self._store.events(self._terms.begins(number)).time
        epoch = BlockEpoch(number, start, self._terms.enters(height))
        return replace(self._store.events(height), epoch=epoch)

    def _taken_back(self, height: int) -> int | None:
        """The height to go back to, None when nothing that was told is undone."""
        lowest = height
        for branch in self._store.branches:
            if branch.number > self._seen:
                self._seen = branch.number
                if branch.after < lowest <= branch.top:
                    lowest = branch.after
        return None if lowest == height else lowest

    async def _wait(self, change: asyncio.Event) -> None:
        while not change.is_set():
            with suppress(TimeoutExpiredError):
                await within(self._clock, LOOK, change.wait())
            if not change.is_set() and (problem := self._endpoints.problem()):
                raise UnavailableError(problem)
