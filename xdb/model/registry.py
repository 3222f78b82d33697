"""Values and records of the registry, as chain state holds them."""

from dataclasses import dataclass
from enum import IntEnum

from xdb.model.ids import Address, Deployment, Digest, FileId, NodeId, Signature, Tag


class NodeState(IntEnum):
    """Where a node stands in its life."""

    ONLINE = 1
    DRAINING = 2
    OFFLINE = 3
    LEFT = 4


class Coding(IntEnum):
    """How a slice becomes pieces."""

    COPIES = 1
    ERASURE = 2


class ProofScheme(IntEnum):
    """What holders prove with."""

    MERKLE = 1
    PAIRING = 2


@dataclass(frozen=True, slots=True)
class Redundancy:
    """`total` slots, any `required` of which restore the file."""

    coding: Coding
    required: int
    total: int


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a node is reached, and the SHA-256 of its DER certificates."""

    address: str
    certificate: Digest
    next_certificate: Digest | None = None


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """A node as registered. `signer` counts from `signer_epoch` on, `former_signer` before."""

    node: NodeId
    signer: Address
    former_signer: Address
    signer_epoch: int
    endpoint: Endpoint
    operator: str
    zone: str
    capacity: int
    state: NodeState
    registered: int
    resigned: int  # chain time of Resign, 0 when not resigned

    def signer_at(self, epoch: int) -> Address:
        """The address whose signatures speak for the node in `epoch`."""
        return self.signer if epoch >= self.signer_epoch else self.former_signer


@dataclass(frozen=True, slots=True)
class NamespaceRecord:
    """A namespace and its policy."""

    owner: Address
    namespace: Tag
    redundancy: Redundancy
    scheme: ProofScheme
    created: int


@dataclass(frozen=True, slots=True)
class Holder:
    """One slot as its holder accepted it, with the holder's receipt signature."""

    node: NodeId
    root: Digest
    leaves: int
    replica_leaves: int
    size: int
    latest_expiry: int
    valid_until: int
    signature: Signature


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file. `holders[i]` is the node of slot i + 1; `deleted` is 0 while not deleted."""

    file: FileId
    owner: Address
    namespace: Tag
    name: Tag
    manifest: Digest
    root: Digest
    redundancy: Redundancy
    size: int
    expiry: int
    version: int
    published: int
    deleted: int
    holders: tuple[NodeId, ...]

    def ends(self) -> int:
        """Chain time at which it stops being live: deletion or expiry."""
        return min(self.deleted, self.expiry) if self.deleted else self.expiry

    def gone(self, retention: int) -> int:
        """Chain time at which retention ends."""
        return self.ends() + retention

    def is_live(self, now: int) -> bool:
        """Whether it is readable at chain time `now`."""
        return now < self.ends()


@dataclass(frozen=True, slots=True)
class Holding:
    """What a slot holds, as a challenge needs it.

    `leaves` is the number of leaves over all replicas, `replica_leaves` that of every
    replica but the last: leaf i belongs to replica i // replica_leaves.
    """

    root: Digest
    leaves: int
    replica_leaves: int
    size: int
    latest_expiry: int

    @property
    def replicas(self) -> int:
        """How many there are."""
        return -(-self.leaves // self.replica_leaves)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a holder signs: it checked and keeps this slot of this file."""

    deployment: Deployment
    file: FileId
    slot: int
    file_root: Digest
    holding_root: Digest
    leaves: int
    replica_leaves: int
    size: int
    latest_expiry: int
    version: int
    valid_until: int


@dataclass(frozen=True, slots=True)
class Parameters:
    """Fixed at deployment, readable by everybody. Times in seconds of chain time."""

    start: int  # chain time at which epoch 0 begins
    epoch: int = 3600
    leaves_per_epoch: int = 64
    leaf_size: int = 1024  # bytes
    heartbeat: int = 600
    health_window: int = 24  # epochs
    retention: int = 7 * 86400
    receipt_validity: int = 3600
    stray_grace: int = 86400
    unreachable: int = 3600
    notice: int = 30 * 86400
    envelope_lifetime: int = 600  # longest deadline ahead
    max_slots: int = 32
    max_files_per_call: int = 256
    max_label: int = 4096  # bytes
    max_text: int = 256  # bytes of an address, operator or zone
    max_lifetime: int = 10 * 366 * 86400  # longest expiry ahead
    beacons: tuple[Digest, ...] = ()  # ends of the beacons' hash chains; none: no audits

    def epoch_at(self, time: int) -> int:
        """The epoch that `time` falls into; times before the start count as epoch 0."""
        return max(0, time - self.start) // self.epoch

    def start_of(self, epoch: int) -> int:
        """Chain time at which an epoch begins."""
        return self.start + epoch * self.epoch
