"""Calls to storage nodes, tried again when that may help."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from xdb.errors import IntegrityError, NotFoundError, StorageFullError, UnavailableError
from xdb.index.index import Index
from xdb.model.ids import NodeId
from xdb.model.registry import NodeRecord
from xdb.ports.clock import Clock
from xdb.ports.peer import StoragePeer, StoragePeers

T = TypeVar("T")

ATTEMPTS = 3
FIRST_PAUSE = 0.2
"""Seconds before a call to a node is tried again, doubled each time."""


@dataclass(frozen=True, slots=True)
class NodeCalls:
    """The way to nodes by their ids."""

    index: Index
    peers: StoragePeers
    clock: Clock

    def peer(self, node: NodeId) -> StoragePeer:
        """The node as it is registered now."""
        return self.peers.peer(self.record(node))

    def record(self, node: NodeId) -> NodeRecord:
        """A node's record."""
        record = self.index.node_record(node)
        if record is None:
            raise NotFoundError(f"node {node.hex()} is not registered any more: use another node")
        return record

    async def again(self, call: Callable[[], Awaitable[T]], attempts: int = ATTEMPTS) -> T:
        """Calls until it works; the last failure is raised, others that are final at once."""
        pause = FIRST_PAUSE
        for _ in range(attempts - 1):
            try:
                return await call()
            except StorageFullError:
                raise
            except (UnavailableError, IntegrityError):
                await self.clock.sleep(pause)
                pause *= 2
        return await call()
