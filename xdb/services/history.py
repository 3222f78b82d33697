"""What the chain shows of the past: audits, heartbeats and migrations, for an owner's clients."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from xdb.errors import InvalidRequestError, NotFoundError
from xdb.index.index import Index
from xdb.index.members import DAY
from xdb.index.views import (
    AuditCounts,
    AuditView,
    FileView,
    HeartbeatDay,
    MigrationView,
    Page,
    Seed,
)
from xdb.model.health import Verdict
from xdb.model.ids import WIDTHS, Address, FileId, NodeId
from xdb.services.catalog import Catalog

MOST_DAYS = 366
LARGEST = 2**64 - 1
"""Epochs have 8 bytes in the index."""

_ID = re.compile(rf"([0-9]{{1,20}})-([0-9a-fA-F]{{{2 * WIDTHS[NodeId]}}})")


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which audits are meant. Times are chain time: epochs that begin in [since, until).

    Without `node`, `file` and `everybody`, those of nodes that hold files of this owner.
    """

    verdict: Verdict | None = None
    node: NodeId | None = None
    file: FileView | None = None
    everybody: bool = False
    since: int = 0
    until: int | None = None


@dataclass(frozen=True, slots=True)
class AuditDetails:
    """An audit and its epoch in chain time; the seed while the epoch is open."""

    view: AuditView
    starts: int
    ends: int
    seed: Seed | None


@dataclass(frozen=True, slots=True)
class NodeDay:
    """A day of a node: its heartbeats, and its audits by verdict."""

    heartbeats: HeartbeatDay
    audits: Mapping[Verdict, int]


@dataclass(frozen=True, slots=True)
class History:
    """Reads one owner's index."""

    index: Index
    catalog: Catalog

    # ------------------------------------------------------------ audits

    def audits(self, wanted: AuditFilter, after: bytes = b"", limit: int = 100) -> Page[AuditView]:
        """Audits, the newest first."""
        since, until = self._epochs(wanted)
        return self.index.audits.listed(
            self._nodes(wanted),
            verdict=wanted.verdict,
            since=since,
            until=until,
            after=after,
            limit=limit,
        )

    def count(self, wanted: AuditFilter, after: bytes = b"") -> AuditCounts:
        """How many of the same audits have which verdict, in part of the list."""
        since, until = self._epochs(wanted)
        return self.index.audits.count(
            self._nodes(wanted), verdict=wanted.verdict, since=since, until=until, after=after
        )

    def audit(self, id_: str) -> AuditDetails:
        """One audit by its id, as `audit_id` makes it."""
        epoch, node = _parsed(id_)
        view = self.index.audits.audit(node, epoch)
        if view is None:
            raise NotFoundError(
                f"there is no audit {id_}: that epoch asked nothing of that node, or is forgotten; "
                "`xdb-cli audits list` shows those there are"
            )
        return self.details(view)

    def details(self, view: AuditView) -> AuditDetails:
        """An audit with what belongs to its epoch."""
        start_of = self.index.parameters.start_of
        seed = self.index.audits.seed() if view.is_open else None
        return AuditDetails(view, start_of(view.epoch), start_of(view.epoch + 1), seed)

    # ------------------------------------------------------------ nodes

    def days(self, node: NodeId, days: int) -> list[NodeDay]:
        """The last days of a node in UTC, today first."""
        if not 1 <= days <= MOST_DAYS:
            raise InvalidRequestError(f"{days} days: ask for 1 to {MOST_DAYS}")
        if self.index.node_record(node) is None:
            raise NotFoundError(
                f"there is no node {node.hex()}: `xdb-cli nodes list` shows all of them"
            )
        beats = self.index.audits.heartbeat_days(node, self.index.head.time, days)
        if not beats:
            return []
        epoch_at, start_of = self.index.parameters.epoch_at, self.index.parameters.start_of
        counts: dict[int, Counter[Verdict]] = {}
        for each in self.index.audits.verdicts(node, epoch_at(beats[-1].start)):
            day = start_of(each.epoch) // DAY
            counts.setdefault(day, Counter())[each.verdict] += 1
        return [NodeDay(day, counts.get(day.start // DAY, Counter())) for day in beats]

    # ------------------------------------------------------------ migrations

    def migrations(
        self,
        node: NodeId | None = None,
        *,
        since: int = 0,
        until: int | None = None,
        after: bytes = b"",
        limit: int = 100,
    ) -> Page[MigrationView]:
        """Slots that changed hands, the newest first."""
        return self.index.migrations.listed(
            node, since=since, until=until, after=after, limit=limit
        )

    # ------------------------------------------------------------ names

    def file_name(self, file: FileId) -> str:
        """`namespace/name` of a file of this owner whose label it can read, else nothing."""
        return self.catalog.title(file)

    def address(self, node: NodeId) -> str:
        """Where a node is reached."""
        return self.index.address_of(node)

    # ------------------------------------------------------------ inside

    def _nodes(self, wanted: AuditFilter) -> dict[NodeId, int] | None:
        """The nodes whose audits are meant, each with its first epoch; None for all."""
        found: dict[NodeId, int] | None = None
        if wanted.file is not None:
            found = self._holders(wanted.file)
        elif wanted.node is None and not wanted.everybody:
            found = dict.fromkeys(self.index.audits.holders_of(self.catalog.owner), 0)
        if wanted.node is None:
            return found
        if found is None:
            return {wanted.node: 0}
        return {node: first for node, first in found.items() if node == wanted.node}

    def _holders(self, file: FileView) -> dict[NodeId, int]:
        """The nodes of a file, each with the first epoch that could ask for what it holds of it.

        What comes in in one epoch is sealed in the next and asked for from the one after on.
        """
        epoch_at = self.index.parameters.epoch_at
        pairs = zip(file.record.holders, file.since, strict=True)
        return {node: epoch_at(since) + 2 for node, since in pairs}

    def _epochs(self, wanted: AuditFilter) -> tuple[int, int | None]:
        """The epochs that begin in the time that is meant."""
        since = self._first_from(wanted.since)
        return since, None if wanted.until is None else self._first_from(wanted.until)

    def _first_from(self, time: int) -> int:
        parameters = self.index.parameters
        epoch = parameters.epoch_at(time)
        return epoch if parameters.start_of(epoch) >= time else epoch + 1


def audit_id(view: AuditView) -> str:
    """The id of an audit: epoch and node."""
    return f"{view.epoch}-{view.node.hex()}"


def _parsed(id_: str) -> tuple[int, NodeId]:
    match = _ID.fullmatch(id_)
    if match is None or int(match[1]) > LARGEST:
        raise InvalidRequestError(
            f"{id_[:80]!r} is no audit: ids look like 17-{'ab' * 2}..., epoch and node"
        )
    return int(match[1]), NodeId(Address(bytes.fromhex(match[2])))
