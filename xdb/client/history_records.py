"""Audits, days and migrations as the client library tells them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from xdb.client.refs import Ref
from xdb.model.health import Verdict
from xdb.model.ids import Digest, FileId, NodeId


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which audits are meant; by default those of nodes that hold files of this owner.

    `file`: of nodes that hold this file, since they hold it. Times are those at which epochs
    begin, from `since` on and before `until`.
    """

    verdict: Verdict | None = None
    node: bytes | None = None
    file: Ref | None = None
    everybody: bool = False
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class LostHolding:
    """What a node admitted to have lost. It has a name when it is a file of this owner."""

    file: FileId
    slot: int
    name: str


@dataclass(frozen=True, slots=True)
class AuditInfo:
    """What an epoch said of a node; without `verdict` it was asked and has not answered yet.

    `open` while the epoch asks: its seed is known then, and what is proved may still be void
    in the end. `time` is that of the proof, or of the epoch's end.
    """

    id: str
    epoch: int
    starts: datetime
    ends: datetime
    node: NodeId
    address: str
    verdict: Verdict | None
    open: bool
    time: datetime | None
    lost: tuple[LostHolding, ...]
    seed: Digest | None


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Part of a list of audits; `next` continues it and is None at its end.

    `epoch_length` is how long every epoch takes.
    """

    audits: tuple[AuditInfo, ...]
    next: bytes | None
    epoch_length: timedelta


@dataclass(frozen=True, slots=True)
class AuditCounts:
    """Audits by verdict."""

    proved: int
    failed: int
    missed: int
    void: int

    def __add__(self, other: "AuditCounts") -> "AuditCounts":
        """Both together."""
        return AuditCounts(
            self.proved + other.proved,
            self.failed + other.failed,
            self.missed + other.missed,
            self.void + other.void,
        )


@dataclass(frozen=True, slots=True)
class NodeDay:
    """A day of a node in UTC: heartbeats and how many were due, and audits by verdict.

    `possible` counts the heartbeats of a node that never misses one; one less is due, as the
    newest may be on its way.
    """

    start: datetime
    heartbeats: int
    expected: int
    proved: int
    failed: int
    missed: int
    void: int
    possible: int


@dataclass(frozen=True, slots=True)
class MigrationInfo:
    """A slot that changed hands: without a source it was added, without a target dropped."""

    time: datetime
    file: FileId
    name: str
    slot: int
    source: NodeId | None
    target: NodeId | None
    size: int
    version: int


@dataclass(frozen=True, slots=True)
class MigrationPage:
    """Part of a list of migrations; `next` continues it and is None at its end."""

    migrations: tuple[MigrationInfo, ...]
    next: bytes | None
