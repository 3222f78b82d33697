"""What is stored off chain: pieces, commitments, slots."""

from dataclasses import dataclass

from xdb.model.ids import Address, Digest, FileId, Nonce


@dataclass(frozen=True, slots=True)
class Commitment:
    """Length in bytes and Merkle root of one replica."""

    length: int
    root: Digest


RECORDED = Nonce(bytes(16))
"""In place of the nonce of a file that is on the chain, where its owner is read."""


@dataclass(frozen=True, slots=True)
class SlotRef:
    """One slot of a file, and what shows who owns it.

    Before the file has a record, `file` is the digest of owner and nonce.
    """

    file: FileId
    slot: int
    owner: Address
    nonce: Nonce


@dataclass(frozen=True, slots=True)
class ReplicaKey:
    """One replica: a slot's sealed piece of slice `piece`."""

    file: FileId
    slot: int
    piece: int


@dataclass(frozen=True, slots=True)
class Damage:
    """What a node lists as damaged: a replica, or with `manifest` the manifest of the slot.

    `since` is the chain time at which it was first listed, 0 when that is not known.
    """

    file: FileId
    slot: int
    piece: int
    manifest: bool
    since: int
    reason: str

    @property
    def key(self) -> ReplicaKey:
        """The replica, when it is one."""
        return ReplicaKey(self.file, self.slot, self.piece)


@dataclass(frozen=True, slots=True)
class LeafShown:
    """A leaf and the siblings on its way to the holding root."""

    data: bytes
    replica_length: int
    replica_path: tuple[Digest, ...]
    holding_path: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """What a storage node says of itself to a caller. Sizes in bytes, times Unix seconds."""

    node: Address
    version: str
    capacity: int
    used: int
    free: int
    height: int
    chain_time: int
    clock: int
    accepts: bool
    reason: str
    damaged: int
