"""What the index tells. Times are chain time, sizes bytes."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Generic, TypeVar

from xdb.model.events import HoldingRef
from xdb.model.health import Verdict
from xdb.model.ids import Digest, FileId, NodeId
from xdb.model.registry import FileRecord, Holding, NamespaceRecord, NodeRecord

T = TypeVar("T")


class FileStatus(IntEnum):
    """Where a file stands in its life; the numbers of proto/xdb/v1/owner.proto."""

    LIVE = 1
    EXPIRED = 2
    DELETED = 3
    GONE = 4


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Part of a list. `next` continues it and is empty at its end, and only there."""

    items: tuple[T, ...]
    next: bytes


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node. `last_heartbeat` is 0 before the first, `state_since` when its state changed last.

    `holdings` and `stored` count slots of files that are not released yet.
    """

    record: NodeRecord
    last_heartbeat: int
    holdings: int
    stored: int
    state_since: int = 0


@dataclass(frozen=True, slots=True)
class Loss:
    """A slot whose holder gave it up, and when."""

    slot: int
    time: int


@dataclass(frozen=True, slots=True)
class FileView:
    """A file that is not released. `holdings[i]` is what slot i + 1 holds, or should.

    `since[i]` is when its present holder took it on, `height` the block of the newest
    change of the file, `losses` are in order of slots.
    """

    record: FileRecord
    label: bytes
    holdings: tuple[Holding, ...]
    since: tuple[int, ...]
    height: int
    losses: tuple[Loss, ...] = ()

    @property
    def lost(self) -> tuple[int, ...]:
        """Slots whose holders gave them up, in order."""
        return tuple(loss.slot for loss in self.losses)

    @property
    def stored(self) -> int:
        """Bytes over all holders."""
        return sum(holding.size for holding in self.holdings)


@dataclass(frozen=True, slots=True)
class Seed:
    """What an epoch asks with, and when it became known."""

    epoch: int
    seed: Digest
    time: int


@dataclass(frozen=True, slots=True)
class AuditView:
    """What an epoch said of a node that had something to prove.

    `is_open` while the epoch asks: what is proved then may still be void at its end, and
    `verdict` is None when there is no answer yet. `time` is that of the proof, or of the
    epoch's end.
    """

    epoch: int
    node: NodeId
    verdict: Verdict | None
    time: int
    lost: tuple[HoldingRef, ...]
    is_open: bool


@dataclass(frozen=True, slots=True)
class AuditCounts:
    """How many audits have which verdict, in part of a list; `next` as for a `Page`."""

    by_verdict: Mapping[Verdict, int]
    next: bytes


@dataclass(frozen=True, slots=True)
class MigrationView:
    """A slot that went to another node, was added (no source) or dropped (no target)."""

    time: int
    height: int
    file: FileId
    slot: int
    version: int
    source: NodeId | None
    target: NodeId | None
    size: int


@dataclass(frozen=True, slots=True)
class HeartbeatDay:
    """Heartbeats of a day that begins at chain time `start`, and how many there should be.

    `possible` counts the intervals of the day, as far as it has gone and the node was there.
    """

    start: int
    seen: int
    expected: int
    possible: int


@dataclass(frozen=True, slots=True)
class NamespaceView:
    """A namespace. `files`, `size` and `stored` count live files, `expired` those in retention.

    `size` is as published, `stored` over all holders.
    """

    record: NamespaceRecord
    label: bytes
    files: int
    size: int
    stored: int
    expired: int


def status_of(expiry: int, deleted: int, now: int, retention: int) -> FileStatus:
    """A file's status at chain time `now`; `deleted` is 0 when it was not."""
    ends = min(deleted, expiry) if deleted else expiry
    if now < ends:
        return FileStatus.LIVE
    if now >= ends + retention:
        return FileStatus.GONE
    # What was deleted after it had expired was expired first, but an owner deleted it.
    return FileStatus.DELETED if deleted else FileStatus.EXPIRED
