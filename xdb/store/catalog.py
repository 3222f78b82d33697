"""What the replica store knows of its files, over a key-value store.

=====================  =========================================
key                    value
=====================  =========================================
``s/`` file slot       SlotEntry
``r/`` file slot piece ReplicaEntry
``d/`` file slot piece reason of the damage, text
``leaf size``          8 bytes
=====================  =========================================

Slot and piece are 8 bytes, so that pieces come in order.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from xdb.core.encoding import decode, encode
from xdb.model.ids import Address, Digest, FileId, Nonce
from xdb.model.storage import Commitment, ReplicaKey, SlotRef
from xdb.ports.kv import KeyValue

_SLOTS, _REPLICAS, _DAMAGED = b"s/", b"r/", b"d/"
_LEAF_SIZE = b"leaf size"
Batch = dict[bytes, bytes | None]


@dataclass(frozen=True, slots=True)
class SlotEntry:
    """A slot: whose, when its newest replica came, and its manifest once that is accepted."""

    owner: Address
    nonce: Nonce
    since: int
    manifest: Digest | None = None
    manifest_length: int = 0

    def ref(self, file: FileId, slot: int) -> SlotRef:
        """The slot it speaks of."""
        return SlotRef(file, slot, self.owner, self.nonce)


@dataclass(frozen=True, slots=True)
class ReplicaEntry:
    """A replica as verified."""

    length: int
    root: Digest

    @property
    def commitment(self) -> Commitment:
        """Length and root."""
        return Commitment(self.length, self.root)


class Catalog:
    """Reads entries; builds batches to write."""

    def __init__(self, kv: KeyValue) -> None:
        self.kv = kv

    def leaf_size(self) -> int | None:
        """Bytes of a leaf in this store; None in a new one."""
        value = self.kv.get(_LEAF_SIZE)
        return None if value is None else _number(value)

    def slot(self, file: FileId, slot: int) -> SlotEntry | None:
        """A slot's entry."""
        value = self.kv.get(_slot_key(file, slot))
        return None if value is None else decode(SlotEntry, value)

    def slots(self, after: bytes = b"") -> Iterator[tuple[FileId, int, SlotEntry]]:
        """All slots in order of file and slot, behind a cursor that `cursor` made."""
        for key, value in self.kv.scan(_SLOTS, after=_SLOTS + after if after else b""):
            yield FileId(key[2:34]), _number(key[34:42]), decode(SlotEntry, value)

    def replica(self, key: ReplicaKey) -> ReplicaEntry | None:
        """A replica's entry."""
        value = self.kv.get(_replica_key(key))
        return None if value is None else decode(ReplicaEntry, value)

    def replicas(self, file: FileId, slot: int) -> Iterator[tuple[int, ReplicaEntry]]:
        """A slot's replicas in order of their pieces."""
        for key, value in self.kv.scan(_REPLICAS + file + _eight(slot)):
            yield _number(key[42:]), decode(ReplicaEntry, value)

    def damaged(self, after: bytes = b"") -> Iterator[tuple[ReplicaKey, str]]:
        """Replicas known to be damaged or missing, behind a cursor that `cursor` made."""
        for key, value in self.kv.scan(_DAMAGED, after=_DAMAGED + after if after else b""):
            yield (
                ReplicaKey(FileId(key[2:34]), _number(key[34:42]), _number(key[42:])),
                (value.decode()),
            )

    def is_damaged(self, key: ReplicaKey) -> bool:
        """Whether a replica is known to be damaged."""
        return self.kv.get(_damaged_key(key)) is not None


def put_leaf_size(batch: Batch, leaf_size: int) -> None:
    """Adds the size of leaves to a batch."""
    batch[_LEAF_SIZE] = _eight(leaf_size)


def put_slot(batch: Batch, file: FileId, slot: int, entry: SlotEntry) -> None:
    """Adds a slot's entry to a batch."""
    batch[_slot_key(file, slot)] = encode(entry)


def put_replica(batch: Batch, key: ReplicaKey, entry: ReplicaEntry) -> None:
    """Adds a sound replica to a batch."""
    batch[_replica_key(key)] = encode(entry)
    batch[_damaged_key(key)] = None


def put_damage(batch: Batch, key: ReplicaKey, reason: str) -> None:
    """Adds a replica's damage to a batch."""
    batch[_damaged_key(key)] = reason.encode()


def drop_replica(batch: Batch, key: ReplicaKey) -> None:
    """Adds a replica's removal to a batch."""
    batch[_replica_key(key)] = None
    batch[_damaged_key(key)] = None


def drop_slot(batch: Batch, file: FileId, slot: int) -> None:
    """Adds a slot's removal to a batch."""
    batch[_slot_key(file, slot)] = None


def cursor(file: FileId, slot: int, piece: int | None = None) -> bytes:
    """Where a listing goes on."""
    return file + _eight(slot) + (b"" if piece is None else _eight(piece))


def _slot_key(file: FileId, slot: int) -> bytes:
    return _SLOTS + file + _eight(slot)


def _replica_key(key: ReplicaKey) -> bytes:
    return _REPLICAS + key.file + _eight(key.slot) + _eight(key.piece)


def _damaged_key(key: ReplicaKey) -> bytes:
    return _DAMAGED + key.file + _eight(key.slot) + _eight(key.piece)


def _eight(number: int) -> bytes:
    return number.to_bytes(8, "big")


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")
