"""What the contract keeps only the hash of: records of files, and segments of nodes.

Whoever changes a file has to show its present record, and whoever proves or surrenders has
to show segments; both follow from the events.
"""

from dataclasses import dataclass, replace
from typing import TypeVar

from xdb.core.encoding import decode
from xdb.errors import CorruptFileError
from xdb.index.staging import Staging
from xdb.model.events import (
    Event,
    FileExtended,
    FileMoved,
    FilePublished,
    FileReleased,
    FileRenamed,
    FileRenewed,
    FileShrunk,
)
from xdb.model.ids import Digest, FileId, NodeId, Tag
from xdb.model.registry import Holder, Redundancy
from xdb.ports.kv import KeyValue

T = TypeVar("T")

_FILES = b"f/"
_SEGMENTS = b"g/"
_NUMBER = 8
_WORD = 48


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a holding stands in its node's address space."""

    index: int
    start: int

    @property
    def packed(self) -> int:
        """As the contract has it."""
        return self.index << _WORD | self.start


def unpacked(segment: int) -> Stand:
    """What the contract packed."""
    return Stand(segment >> _WORD, segment & ((1 << _WORD) - 1))


@dataclass(frozen=True, slots=True)
class Place:
    """One slot of a file."""

    node: NodeId
    root: Digest
    leaves: int
    replica_leaves: int
    size: int
    latest_expiry: int
    stand: Stand


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file's record; `places[i]` is slot i + 1."""

    namespace: Tag
    name: Tag
    root: Digest
    redundancy: Redundancy
    version: int
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class SegmentEntry:
    """A segment: leaves [start, start + leaves) of a node's address space."""

    file: FileId
    slot: int
    start: int
    leaves: int
    replica_leaves: int
    root: Digest


@dataclass(frozen=True, slots=True)
class Told:
    """An event, and where the holdings that it brings stand."""

    event: Event
    stands: tuple[Stand, ...] = ()


class Mirror:
    """Reads what `mirrored` keeps."""

    def __init__(self, kv: KeyValue) -> None:
        self._kv = kv

    def file(self, file: FileId) -> FileEntry | None:
        """A file's record, as of the newest block here."""
        return _load(self._kv.get(_FILES + file), FileEntry)

    def segment(self, node: NodeId, index: int) -> SegmentEntry | None:
        """A segment of a node, ended or not."""
        return _load(self._kv.get(_segment_key(node, index)), SegmentEntry)


def mirrored(staging: Staging, told: Told) -> None:
    """Stages what an event changes."""
    event = told.event
    if isinstance(event, FilePublished):
        _published(staging, event, told.stands)
        return
    if isinstance(event, FileReleased):
        staging.put(_FILES + event.file, None)
        return
    if not isinstance(event, FileRenewed | FileRenamed | FileMoved | FileExtended | FileShrunk):
        return
    entry = staging.load(_FILES + event.file, FileEntry)
    if entry is not None:
        staging.save(_FILES + event.file, _changed(staging, entry, event, told.stands))


def _changed(
    staging: Staging,
    entry: FileEntry,
    event: FileRenewed | FileRenamed | FileMoved | FileExtended | FileShrunk,
    stands: tuple[Stand, ...],
) -> FileEntry:
    places = list(entry.places)
    match event:
        case FileRenewed():
            for renewal in event.renewals:
                old = places[renewal.slot - 1]
                latest = max(old.latest_expiry, renewal.holder.latest_expiry)
                places[renewal.slot - 1] = replace(old, latest_expiry=latest)
            return replace(entry, places=tuple(places))
        case FileRenamed():
            return replace(entry, name=event.name)
        case FileMoved():
            places[event.slot - 1] = _place(event.holder, stands[0])
            _stand(staging, event.file, event.slot, places[event.slot - 1])
            return replace(entry, version=event.version, places=tuple(places))
        case FileExtended():
            place = _place(event.holder, stands[0])
            _stand(staging, event.file, event.slot, place)
            return _resized(entry, event.root, event.version, (*places, place))
        case FileShrunk():
            return _resized(entry, event.root, event.version, tuple(places[:-1]))


def _resized(entry: FileEntry, root: Digest, version: int, places: tuple[Place, ...]) -> FileEntry:
    redundancy = replace(entry.redundancy, total=len(places))
    return replace(entry, root=root, version=version, redundancy=redundancy, places=places)


def _published(staging: Staging, event: FilePublished, stands: tuple[Stand, ...]) -> None:
    places = tuple(
        _place(holder, stand) for holder, stand in zip(event.holders, stands, strict=True)
    )
    entry = FileEntry(event.namespace, event.name, event.root, event.redundancy, 1, places)
    staging.save(_FILES + event.file, entry)
    for slot, place in enumerate(places, start=1):
        _stand(staging, event.file, slot, place)


def _stand(staging: Staging, file: FileId, slot: int, place: Place) -> None:
    entry = SegmentEntry(
        file, slot, place.stand.start, place.leaves, place.replica_leaves, place.root
    )
    staging.save(_segment_key(place.node, place.stand.index), entry)


def _place(holder: Holder, stand: Stand) -> Place:
    return Place(
        holder.node,
        holder.root,
        holder.leaves,
        holder.replica_leaves,
        holder.size,
        holder.latest_expiry,
        stand,
    )


def _segment_key(node: NodeId, index: int) -> bytes:
    return _SEGMENTS + node + index.to_bytes(_NUMBER, "big")


def _load(data: bytes | None, kind: type[T]) -> T | None:
    if data is None:
        return None
    try:
        return decode(kind, data)
    except ValueError as error:
        raise CorruptFileError(
            f"the copy of the Ethereum registry is damaged ({error}): remove the directories "
            "chain and views of this node, they are made again from the chain"
        ) from error
