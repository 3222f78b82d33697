"""Calls of the registry, field for field as in proto/xdb/v1/registry.proto."""

from dataclasses import dataclass

from xdb.model.ids import Address, ChainId, Digest, FileId, NodeId, Nonce, Signature, Tag
from xdb.model.registry import Endpoint, Holder, NodeState, ProofScheme, Redundancy


@dataclass(frozen=True, slots=True)
class RegisterNode:
    """The sender becomes a storage node."""

    signer: Address
    endpoint: Endpoint
    operator: str
    zone: str
    capacity: int


@dataclass(frozen=True, slots=True)
class UpdateNode:
    """What is None stays."""

    signer: Address | None = None
    endpoint: Endpoint | None = None
    operator: str | None = None
    zone: str | None = None
    capacity: int | None = None


@dataclass(frozen=True, slots=True)
class SetNodeState:
    """The sender's new state."""

    state: NodeState


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The node's signer says it is alive."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class Resign:
    """Starts the sender's notice period."""


@dataclass(frozen=True, slots=True)
class CreateNamespace:
    """A namespace of the sender."""

    namespace: Tag
    label: bytes
    redundancy: Redundancy
    scheme: ProofScheme


@dataclass(frozen=True, slots=True)
class UpdateNamespace:
    """What is None stays."""

    namespace: Tag
    label: bytes | None = None
    redundancy: Redundancy | None = None


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to publish; slot i + 1 is `holders[i]`."""

    nonce: Nonce
    namespace: Tag
    name: Tag
    manifest: Digest
    redundancy: Redundancy
    size: int
    expiry: int
    holders: tuple[Holder, ...]
    replaces: FileId | None
    label: bytes


@dataclass(frozen=True, slots=True)
class Publish:
    """All or nothing."""

    files: tuple[NewFile, ...]


@dataclass(frozen=True, slots=True)
class Renewal:
    """A holder's acceptance of a later expiry for one slot."""

    slot: int
    holder: Holder


@dataclass(frozen=True, slots=True)
class Renew:
    """A new expiry; within retention it also brings the file back."""

    file: FileId
    expiry: int
    renewals: tuple[Renewal, ...]


@dataclass(frozen=True, slots=True)
class Rename:
    """A new name and label."""

    file: FileId
    name: Tag
    label: bytes


@dataclass(frozen=True, slots=True)
class Delete:
    """Starts retention."""

    file: FileId


@dataclass(frozen=True, slots=True)
class Move:
    """Compare-and-set on version: another holder for a slot."""

    file: FileId
    version: int
    slot: int
    holder: Holder


@dataclass(frozen=True, slots=True)
class Extend:
    """One slot more."""

    file: FileId
    version: int
    holder: Holder
    siblings: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class Shrink:
    """The last slot less."""

    file: FileId
    version: int
    siblings: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class Release:
    """Drops a record past retention."""

    file: FileId


@dataclass(frozen=True, slots=True)
class RevealSeed:
    """The beacons' preimages for an epoch, in the order of the parameters."""

    epoch: int
    preimages: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class Seal:
    """Turns up to `limit` holdings of closed epochs into segments."""

    node: NodeId
    limit: int


@dataclass(frozen=True, slots=True)
class Leaf:
    """One drawn leaf and its way up to the holding root."""

    segment: int
    data: bytes
    replica_length: int
    replica_path: tuple[Digest, ...]
    holding_path: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """One draw: the segments of the holes it met, then a leaf, or the segment admitted lost."""

    holes: tuple[int, ...]
    leaf: Leaf | None
    lost_segment: int | None


@dataclass(frozen=True, slots=True)
class Prove:
    """A node's answers to all draws of an epoch."""

    node: NodeId
    epoch: int
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Surrender:
    """The node gives a holding up."""

    node: NodeId
    file: FileId
    slot: int


NodeCall = RegisterNode | UpdateNode | SetNodeState | Heartbeat | Resign
NamespaceCall = CreateNamespace | UpdateNamespace
FileCall = Publish | Renew | Rename | Delete | Move | Extend | Shrink | Release
AuditCall = RevealSeed | Seal | Prove | Surrender
Call = NodeCall | NamespaceCall | FileCall | AuditCall


@dataclass(frozen=True, slots=True)
class Envelope:
    """A signed call; `call` are the bytes as received."""

    version: int
    chain: ChainId
    contract: Address
    sender: Address
    nonce: Nonce
    deadline: int
    call: bytes
    signature: Signature
