"""Chain state as the rules see it: keys, entries, and the writes of one call.

=============================================  ===============================  ==============
key                                            value                            written by
=============================================  ===============================  ==============
``n/`` node                                    NodeRecord                       the node
``b/`` node                                    chain time of the last           its heartbeats
                                               heartbeat, 8 bytes
``s/`` owner namespace                         NamespaceRecord                  the owner
``f/`` file                                    FileEntry                        the owner
``m/`` owner namespace name                    file id                          the owner
``o/`` node epoch file slot                    Holding as it was accepted       the owner
``x/`` sender nonce                            deadline, 8 bytes                the sender
``r/``                                         Newest (seeds)                   the beacons
``a/`` node                                    Space (segments)                 whoever seals
``g/`` node index                              Segment                          sealer, node
``p/`` node file slot                          index of the slot's segment      sealer, node
``v/`` node                                    epoch proved last, 8 bytes       the node
=============================================  ===============================  ==============

Parts of keys have fixed widths (epoch and slot 8 bytes); values are canonical
(`core.encoding`). No call writes a key that calls of other senders read or write in
the ordinary course: publishers read a node's record and write keys of their own.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from xdb.core.encoding import decode, encode
from xdb.errors import IntegrityError
from xdb.model.events import Event
from xdb.model.ids import Address, Deployment, FileId, NodeId, Nonce, Tag
from xdb.model.registry import FileRecord, Holding, NamespaceRecord, NodeRecord, Parameters

T = TypeVar("T")

HOLDINGS = b"o/"
POINTERS = b"p/"
NONCES = b"x/"


class Reader(Protocol):
    """State before the call."""

    def get(self, key: bytes) -> bytes | None:
        """The value, or None."""
        ...

    def scan(self, prefix: bytes, limit: int) -> Iterable[tuple[bytes, bytes]]:
        """The first `limit` pairs whose key starts with `prefix`, in order of keys."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """Where and when a call is executed. `time` is chain time."""

    deployment: Deployment
    parameters: Parameters
    time: int

    @property
    def epoch(self) -> int:
        """The epoch now."""
        return self.parameters.epoch_at(self.time)

    @property
    def instant(self) -> int:
        """Chain time for fields in which 0 means never."""
        return max(1, self.time)


@dataclass(frozen=True, slots=True)
class Effects:
    """What a call does: writes in order of keys (None deletes), and events."""

    writes: tuple[tuple[bytes, bytes | None], ...]
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class SlotEntry:
    """One slot: the epoch its holder took it in, and what it holds as of now."""

    epoch: int
    holding: Holding


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file's record with its slots; `slots[i]` belongs to `record.holders[i]`."""

    record: FileRecord
    slots: tuple[SlotEntry, ...]


class State:
    """Typed access to a Reader. Reads see the writes made before through this object."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._writes: dict[bytes, bytes | None] = {}

    def writes(self) -> tuple[tuple[bytes, bytes | None], ...]:
        """All writes so far, in order of keys."""
        return tuple(sorted(self._writes.items()))

    def node(self, node: NodeId) -> NodeRecord | None:
        """A node's record."""
        return self.load(node_key(node), NodeRecord)

    def put_node(self, record: NodeRecord) -> None:
        """Keeps a node's record."""
        self._writes[node_key(record.node)] = encode(record)

    def put_heartbeat(self, node: NodeId, time: int) -> None:
        """Keeps the time of a node's sign of life; nobody reads it on chain."""
        self._writes[heartbeat_key(node)] = encode(time)

    def namespace(self, owner: Address, namespace: Tag) -> NamespaceRecord | None:
        """An owner's namespace."""
        return self.load(namespace_key(owner, namespace), NamespaceRecord)

    def put_namespace(self, record: NamespaceRecord) -> None:
        """Keeps a namespace."""
        self._writes[namespace_key(record.owner, record.namespace)] = encode(record)

    def file(self, file: FileId) -> FileEntry | None:
        """A file's entry."""
        return self.load(file_key(file), FileEntry)

    def put_file(self, entry: FileEntry) -> None:
        """Keeps a file's entry."""
        self._writes[file_key(entry.record.file)] = encode(entry)

    def drop_file(self, file: FileId) -> None:
        """Forgets a file's entry."""
        self._writes[file_key(file)] = None

    def named(self, owner: Address, namespace: Tag, name: Tag) -> FileId | None:
        """The file that took a name last; whether it still holds it is `names`' to say."""
        value = self._get(name_key(owner, namespace, name))
        return None if value is None else FileId(value)

    def put_name(self, record: FileRecord) -> None:
        """Gives a name to its file."""
        self._writes[name_key(record.owner, record.namespace, record.name)] = record.file

    def drop_name(self, record: FileRecord) -> None:
        """Frees a file's name, unless another file took it meanwhile."""
        if self.named(record.owner, record.namespace, record.name) == record.file:
            self._writes[name_key(record.owner, record.namespace, record.name)] = None

    def put_holding(
        self, node: NodeId, epoch: int, file: FileId, slot: int, holding: Holding
    ) -> None:
        """Enters a holding under its node and epoch, without a read."""
        self._writes[holding_key(node, epoch, file, slot)] = encode(holding)

    def drop_holding(self, node: NodeId, epoch: int, file: FileId, slot: int) -> None:
        """Removes a holding from where it was entered."""
        self._writes[holding_key(node, epoch, file, slot)] = None

    def holding(self, node: NodeId, epoch: int, file: FileId, slot: int) -> Holding | None:
        """A holding that stands where it was entered."""
        return self.load(holding_key(node, epoch, file, slot), Holding)

    def scan(self, prefix: bytes, limit: int) -> Iterable[tuple[bytes, bytes]]:
        """The first pairs under a prefix as they were before this call."""
        return self._reader.scan(prefix, limit)

    def deadline(self, sender: Address, nonce: Nonce) -> int | None:
        """The deadline of the envelope that used a nonce."""
        return self.load(nonce_key(sender, nonce), int)

    def put_deadline(self, sender: Address, nonce: Nonce, deadline: int) -> None:
        """Marks a nonce as used. The mark may be dropped once the deadline is past."""
        self._writes[nonce_key(sender, nonce)] = encode(deadline)

    def _get(self, key: bytes) -> bytes | None:
        return self._writes[key] if key in self._writes else self._reader.get(key)

    def load(self, key: bytes, kind: type[T]) -> T | None:
        """The value under a key that an area of the rules keeps for itself."""
        value = self._get(key)
        return None if value is None else read(key, value, kind)

    def store(self, key: bytes, value: object) -> None:
        """Keeps such a value."""
        self._writes[key] = encode(value)

    def drop(self, key: bytes) -> None:
        """Forgets such a value."""
        self._writes[key] = None


def read(key: bytes, value: bytes, kind: type[T]) -> T:
    """A stored value."""
    try:
        return decode(kind, value)
    except ValueError as error:
        raise IntegrityError(
            f"chain state under {key.hex()} is no {kind.__name__} ({error}): "
            "restore the chain's database or replay its blocks"
        ) from error


def node_key(node: NodeId) -> bytes:
    """Key of a NodeRecord."""
    return b"n/" + node


def heartbeat_key(node: NodeId) -> bytes:
    """Key of a node's last heartbeat."""
    return b"b/" + node


def namespace_key(owner: Address, namespace: Tag) -> bytes:
    """Key of a NamespaceRecord."""
    return b"s/" + owner + namespace


def file_key(file: FileId) -> bytes:
    """Key of a FileEntry."""
    return b"f/" + file


def name_key(owner: Address, namespace: Tag, name: Tag) -> bytes:
    """Key of the file id that took a name last."""
    return b"m/" + owner + namespace + name


def holding_key(node: NodeId, epoch: int, file: FileId, slot: int) -> bytes:
    """Key of a holding as entered."""
    return HOLDINGS + node + epoch.to_bytes(8, "big") + file + slot.to_bytes(8, "big")


def nonce_key(sender: Address, nonce: Nonce) -> bytes:
    """Key of the deadline of the envelope that used a nonce."""
    return NONCES + sender + nonce
