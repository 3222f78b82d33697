"""The chain as a node sees it: a backend that is followed, and the index fed from it."""

from dataclasses import dataclass

from xdb.blockchain.waiting import within
from xdb.errors import TimeoutExpiredError, UnavailableError
from xdb.index.index import Index
from xdb.node.backend import Backend
from xdb.node.supervision import Supervised
from xdb.ports.clock import Clock
from xdb.ports.kv import KeyValue
from xdb.ports.spawn import Spawn
from xdb.runtime.follower import Follower
from xdb.runtime.logging import Log

STALLED = 15.0
"""Seconds without a new block after which a node that starts goes on with what it has."""


@dataclass(frozen=True, slots=True)
class Following:
    """Backend and index of one node; `start` sets both going."""

    backend: Backend
    index: Index
    clock: Clock
    log: Log

    def start(self, spawn: Spawn) -> None:
        """Follows from now on."""
        follower = Follower("index", self.backend.events(), self.index, self.clock, self.log)
        for name, work in (("chain", self.backend.run), ("index", follower.run)):
            supervised = Supervised(name, work, self.clock, self.log)
            spawn.start(supervised.run(), name=name)

    async def caught_up(self) -> bool:
        """Waits until the index is where the chain is now; False when that cannot be had.

        A node that knew the chain before can go on without; what is newer follows later.
        """
        try:
            tip = await self.backend.tip()
        except UnavailableError as error:
            self.log.warning("chain.silent", height=self.index.head.height, reason=str(error))
            return False
        while self.index.head.height < tip:
            before = self.index.head.height
            try:
                await within(self.clock, STALLED, self.index.reached(tip))
            except TimeoutExpiredError:
                if self.index.head.height == before:
                    self.log.warning("chain.stalled", height=before, wanted=tip)
                    return False
        return True


def follow(backend: Backend, views: KeyValue, clock: Clock, log: Log) -> Following:
    """A node's view of a chain, kept in `views`."""
    return Following(backend, Index(views, backend.parameters, backend.deployment), clock, log)
