"""Events of the registry, field for field as in proto/xdb/v1/registry.proto."""

from dataclasses import dataclass

from xdb.model.calls import Renewal
from xdb.model.ids import Address, Digest, FileId, NodeId, Tag
from xdb.model.registry import Endpoint, Holder, NodeState, ProofScheme, Redundancy


@dataclass(frozen=True, slots=True)
class NodeRegistered:
    """A new node, online."""

    node: NodeId
    signer: Address
    endpoint: Endpoint
    operator: str
    zone: str
    capacity: int


@dataclass(frozen=True, slots=True)
class NodeUpdated:
    """The node's record after the change."""

    node: NodeId
    signer: Address
    signer_epoch: int
    endpoint: Endpoint
    operator: str
    zone: str
    capacity: int


@dataclass(frozen=True, slots=True)
class NodeStateSet:
    """The node's new state."""

    node: NodeId
    state: NodeState


@dataclass(frozen=True, slots=True)
class HeartbeatSeen:
    """A sign of life."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class NodeResigned:
    """From `free_from` on the node may leave without blame."""

    node: NodeId
    free_from: int


@dataclass(frozen=True, slots=True)
class NamespaceCreated:
    """A new namespace."""

    owner: Address
    namespace: Tag
    label: bytes
    redundancy: Redundancy
    scheme: ProofScheme


@dataclass(frozen=True, slots=True)
class NamespaceUpdated:
    """The policy after the change; a label only when it changed."""

    owner: Address
    namespace: Tag
    label: bytes | None
    redundancy: Redundancy


@dataclass(frozen=True, slots=True)
class FilePublished:
    """A new file, version 1."""

    file: FileId
    owner: Address
    namespace: Tag
    name: Tag
    manifest: Digest
    root: Digest
    redundancy: Redundancy
    size: int
    expiry: int
    holders: tuple[Holder, ...]
    replaces: FileId | None
    label: bytes


@dataclass(frozen=True, slots=True)
class FileRenewed:
    """A new expiry; a deleted file is live again."""

    file: FileId
    expiry: int
    renewals: tuple[Renewal, ...]


@dataclass(frozen=True, slots=True)
class FileRenamed:
    """A new name and label."""

    file: FileId
    name: Tag
    label: bytes


@dataclass(frozen=True, slots=True)
class FileDeleted:
    """Retention begins."""

    file: FileId


@dataclass(frozen=True, slots=True)
class FileMoved:
    """A slot has another holder."""

    file: FileId
    slot: int
    source: NodeId
    holder: Holder
    version: int


@dataclass(frozen=True, slots=True)
class FileExtended:
    """One slot more, and the file root that follows."""

    file: FileId
    slot: int
    holder: Holder
    root: Digest
    version: int


@dataclass(frozen=True, slots=True)
class FileShrunk:
    """The last slot, which `node` held, is dropped; and the file root that follows."""

    file: FileId
    slot: int
    node: NodeId
    root: Digest
    version: int


@dataclass(frozen=True, slots=True)
class FileReleased:
    """The record is dropped."""

    file: FileId


@dataclass(frozen=True, slots=True)
class SeedRevealed:
    """An epoch's challenge; it closes every earlier epoch."""

    epoch: int
    seed: Digest


@dataclass(frozen=True, slots=True)
class HoldingRef:
    """One slot of a file."""

    file: FileId
    slot: int


@dataclass(frozen=True, slots=True)
class BucketsSealed:
    """Holdings that became segments `first`, ..., the first beginning at leaf `start`."""

    node: NodeId
    first: int
    start: int
    holdings: tuple[HoldingRef, ...]


@dataclass(frozen=True, slots=True)
class ProofAccepted:
    """A node answered an epoch's challenge; what it admitted to have lost is no longer held."""

    node: NodeId
    epoch: int
    lost: tuple[HoldingRef, ...]


@dataclass(frozen=True, slots=True)
class HoldingSurrendered:
    """A node gave a holding up."""

    node: NodeId
    file: FileId
    slot: int


NodeEvent = NodeRegistered | NodeUpdated | NodeStateSet | HeartbeatSeen | NodeResigned
NamespaceEvent = NamespaceCreated | NamespaceUpdated
FileEvent = (
    FilePublished
    | FileRenewed
    | FileRenamed
    | FileDeleted
    | FileMoved
    | FileExtended
    | FileShrunk
    | FileReleased
)
AuditEvent = SeedRevealed | BucketsSealed | ProofAccepted | HoldingSurrendered
Event = NodeEvent | NamespaceEvent | FileEvent | AuditEvent
