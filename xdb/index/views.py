"""What the index tells. Times are chain time, sizes bytes."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Generic, TypeVar

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
    """A node. `last_heartbeat` is 0 before the first.

    `holdings` and `stored` count slots of files that are not released yet.
    """

    record: NodeRecord
    last_heartbeat: int
    holdings: int
    stored: int


@dataclass(frozen=True, slots=True)
class FileView:
    """A file that is not released. `holdings[i]` is what slot i + 1 holds, or should.

    `lost` are the slots whose holders gave them up, in order.
    """

    record: FileRecord
    label: bytes
    holdings: tuple[Holding, ...]
    lost: tuple[int, ...] = ()

    @property
    def stored(self) -> int:
        """Bytes over all holders."""
        return sum(holding.size for holding in self.holdings)


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
