"""Other processes, as this one sees them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from xdb.model.calls import Envelope
from xdb.model.ids import Digest, FileId, NodeId
from xdb.model.refusal import Refusal
from xdb.model.registry import Endpoint, Holder, NodeRecord
from xdb.model.storage import Commitment, Damage, LeafShown, NodeStatus, ReplicaKey, SlotRef
from xdb.model.tasks import TaskStatus
from xdb.ports.compute import Buffer


class StoragePeer(Protocol):
    """A storage node. Every call may be repeated.

    Raises UnavailableError (and its kinds) when the node does not answer or has no
    room, AuthError when it does not take us or is not who the record says,
    IntegrityError when bytes are not what was promised, NotFoundError,
    ExpiredError, RejectedError.
    """

    async def push(self, slot: SlotRef, piece: int, commitment: Commitment, sealed: Buffer) -> None:
        """Stores one replica; verified by the node and durable on return."""
        ...

    async def accept(self, slot: SlotRef, manifest: bytes, expiry: int, version: int) -> Holder:
        """Hands over the manifest of a slot whose replicas are all there; gives the receipt."""
        ...

    async def pull(self, key: ReplicaKey, offset: int = 0, length: int = 0) -> bytes:
        """A range of a replica; length 0 reaches to its end. Not verified here."""
        ...

    async def pull_manifest(self, file: FileId, slot: int) -> bytes:
        """The manifest as stored. Not verified here."""
        ...

    async def status(self) -> NodeStatus:
        """What the node says of itself."""
        ...

    async def leaf(self, key: ReplicaKey, leaf: int) -> LeafShown:
        """One leaf with its way to the holding root. Not verified here."""
        ...

    async def damaged(self, after: bytes = b"", limit: int = 0) -> tuple[list[Damage], bytes]:
        """What the node lost of ours, and the cursor of the next page, empty at the end.

        A page may be empty and yet not the last. Limit 0 leaves its size to the node.
        """
        ...


class StoragePeers(Protocol):
    """Finds the way to storage nodes."""

    def peer(self, node: NodeRecord) -> StoragePeer:
        """The node as its record describes it now; connections are shared and kept."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an envelope: included, with a refusal or without."""

    height: int
    time: int
    refusal: Refusal
    reason: str
    transaction: Digest


@dataclass(frozen=True, slots=True)
class RemoteHead:
    """What a chain server says of its chain."""

    height: int
    block: Digest
    time: int


@dataclass(frozen=True, slots=True)
class RemoteNode:
    """What a chain server says of a storage node, as of its newest block."""

    height: int
    time: int
    record: NodeRecord | None  # None: never registered


class ChainPeer(Protocol):
    """A server of the embedded chain.

    Raises UnavailableError when it does not answer, AuthError when it is not who
    it should be, OverloadedError over its rate limit.
    """

    async def submit(self, envelope: Envelope) -> Outcome:
        """Returns when the envelope is in a block; the same envelope again gives the same."""
        ...

    def blocks(self, start: int) -> AsyncIterator[bytes]:
        """Encoded blocks from height `start` on, then as they are made."""
        ...

    async def head(self) -> RemoteHead:
        """Its newest block."""
        ...

    async def node(self, node: NodeId) -> RemoteNode:
        """A storage node's record. Not verified here: only a ledger of one's own could."""
        ...


class ChainPeers(Protocol):
    """Finds the way to chain servers."""

    def peer(self, endpoint: Endpoint) -> ChainPeer:
        """The server at this endpoint."""
        ...


class TaskPeers(Protocol):
    """Other daemons, asked how their periodic tasks are doing.

    Raises UnavailableError when one does not answer, AuthError when it does not take
    us or is not who it should be, IntegrityError when it answers with nonsense.
    """

    async def of_node(self, node: NodeRecord) -> tuple[TaskStatus, ...]:
        """A storage node's."""
        ...

    async def of_server(self, endpoint: Endpoint) -> tuple[TaskStatus, ...]:
        """A chain server's; each names the server."""
        ...
