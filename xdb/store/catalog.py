"""What the replica store knows of its files, over a key-value store.

=====================  =========================================
key                    value
=====================  =========================================
``s/`` file slot       SlotEntry
``r/`` file slot piece ReplicaEntry
``d/`` file slot piece DamageEntry of a replica
``d/`` file slot       DamageEntry of a manifest
``leaf size``          8 bytes
``scrub``              how far the scrubber is, see xdb/tasks/scrubber.py
=====================  =========================================

Slot and piece are 8 bytes, so that pieces come in order, a slot's manifest before them.
Earlier stores have the reason of a damage alone, as text.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from xdb.core.encoding import decode, encode
from xdb.errors import CorruptFileError
from xdb.model.ids import Address, Digest, FileId, Nonce
from xdb.model.storage import Commitment, Damage, ReplicaKey, SlotRef
from xdb.ports.kv import KeyValue
from xdb.store.formats import MANIFEST_BODY, REPLICA_BODY

T = TypeVar("T")

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


@dataclass(frozen=True, slots=True)
class DamageEntry:
    """Why something is damaged, and the chain time at which that was first listed."""

    reason: str
    since: int


@dataclass(frozen=True, slots=True)
class Part:
    """A file that should be on the disk, and its bytes; a manifest has no piece."""

    file: FileId
    slot: int
    piece: int | None
    size: int

    @property
    def cursor(self) -> bytes:
        """Where a listing goes on behind it."""
        return cursor(self.file, self.slot, self.piece)


class Catalog:
    """Reads entries; CorruptFileError when one cannot be read."""

    def __init__(self, kv: KeyValue) -> None:
        self.kv = kv

    def leaf_size(self) -> int | None:
        """Bytes of a leaf in this store; None in a new one."""
        value = self.kv.get(_LEAF_SIZE)
        return None if value is None else _number(value)

    def slot(self, file: FileId, slot: int) -> SlotEntry | None:
        """A slot's entry."""
        value = self.kv.get(_slot_key(file, slot))
        return None if value is None else _read(SlotEntry, value)

    def slots(self, after: bytes = b"") -> Iterator[tuple[FileId, int, SlotEntry]]:
        """All slots in order of file and slot, behind a cursor that `cursor` made."""
        for key, value in self.kv.scan(_SLOTS, after=_SLOTS + after if after else b""):
            yield FileId(key[2:34]), _number(key[34:42]), _read(SlotEntry, value)

    def names(self, after: bytes = b"") -> Iterator[tuple[FileId, int]]:
        """File and slot of all slots, those with entries that cannot be read among them."""
        for key, _ in self.kv.scan(_SLOTS, after=_SLOTS + after if after else b""):
            yield FileId(key[2:34]), _number(key[34:42])

    def replica(self, key: ReplicaKey) -> ReplicaEntry | None:
        """A replica's entry."""
        value = self.kv.get(_replica_key(key))
        return None if value is None else _read(ReplicaEntry, value)

    def replicas(self, file: FileId, slot: int) -> Iterator[tuple[int, ReplicaEntry]]:
        """A slot's replicas in order of their pieces."""
        for key, value in self.kv.scan(_REPLICAS + file + _eight(slot)):
            yield _number(key[42:]), _read(ReplicaEntry, value)

    def pieces(self, file: FileId, slot: int) -> Iterator[int]:
        """The same without reading their entries."""
        for key, _ in self.kv.scan(_REPLICAS + file + _eight(slot)):
            yield _number(key[42:])

    def parts(self, after: bytes = b"") -> Iterator[Part]:
        """Every manifest and replica, slot by slot, behind a cursor that `cursor` made.

        What cannot be read is among them, without a size: it raises when it is looked at.
        """
        if after:
            yield from self._pieces(FileId(after[:32]), _number(after[32:40]), after[40:])
        for key, value in self.kv.scan(_SLOTS, after=_SLOTS + after[:40] if after else b""):
            file, slot = FileId(key[2:34]), _number(key[34:42])
            try:
                entry = _read(SlotEntry, value)
            except CorruptFileError:
                yield Part(file, slot, None, 0)
            else:
                if entry.manifest is not None:
                    yield Part(file, slot, None, MANIFEST_BODY + entry.manifest_length)
            yield from self._pieces(file, slot)

    def _pieces(self, file: FileId, slot: int, after: bytes = b"") -> Iterator[Part]:
        prefix = _REPLICAS + file + _eight(slot)
        for key, value in self.kv.scan(prefix, after=prefix + after if after else b""):
            try:
                size = REPLICA_BODY + _read(ReplicaEntry, value).length
            except CorruptFileError:
                size = 0
            yield Part(file, slot, _number(key[42:]), size)

    def damaged(self, after: bytes = b"") -> Iterator[Damage]:
        """What is known to be damaged or missing, behind a cursor that `cursor` made."""
        for key, value in self.kv.scan(_DAMAGED, after=_DAMAGED + after if after else b""):
            entry, rest = _damage_entry(value), key[42:]
            yield Damage(
                FileId(key[2:34]),
                _number(key[34:42]),
                _number(rest),
                not rest,
                entry.since,
                entry.reason,
            )

    def count_damaged(self, most: int) -> int:
        """How much that is, up to a number; reads no entry."""
        return sum(1 for _ in islice(self.kv.scan(_DAMAGED), most))

    def damage(self, file: FileId, slot: int, piece: int | None) -> DamageEntry | None:
        """What is known of the damage of a replica, or without a piece of a manifest."""
        value = self.kv.get(_DAMAGED + cursor(file, slot, piece))
        return None if value is None else _damage_entry(value)

    def damaged_pieces(self, file: FileId, slot: int) -> Iterator[int]:
        """Pieces of a slot that are known to be damaged or missing."""
        prefix = _DAMAGED + cursor(file, slot)
        for key, _ in self.kv.scan(prefix):
            if len(key) > len(prefix):
                yield _number(key[len(prefix) :])

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


def put_damage(
    batch: Batch, file: FileId, slot: int, piece: int | None, entry: DamageEntry | None
) -> None:
    """Adds the damage of a replica, or of a manifest, to a batch; None strikes it off."""
    value = None if entry is None else encode(entry)
    batch[_DAMAGED + cursor(file, slot, piece)] = value


def drop_replica(batch: Batch, key: ReplicaKey) -> None:
    """Adds a replica's removal to a batch."""
    batch[_replica_key(key)] = None
    batch[_damaged_key(key)] = None


def drop_slot(batch: Batch, file: FileId, slot: int) -> None:
    """Adds a slot's removal to a batch."""
    batch[_slot_key(file, slot)] = None
    put_damage(batch, file, slot, None, None)


def cursor(file: FileId, slot: int, piece: int | None = None) -> bytes:
    """Where a listing goes on."""
    return file + _eight(slot) + (b"" if piece is None else _eight(piece))


def _read(kind: type[T], value: bytes) -> T:
    try:
        return decode(kind, value)
    except ValueError as error:
        raise CorruptFileError(
            f"the catalog holds a damaged {kind.__name__} ({error}): stop the node and move its "
            "catalog directory away, it is made again from the stored files"
        ) from error


def _damage_entry(value: bytes) -> DamageEntry:
    try:
        return decode(DamageEntry, value)
    except ValueError:  # an earlier store's: text never begins with a length
        return DamageEntry(value.decode(errors="replace"), 0)


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
