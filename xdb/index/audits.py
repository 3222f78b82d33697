"""What audits have shown: seeds, segments, verdicts, heartbeats."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from heapq import merge

from xdb.core.health import expected_heartbeats, possible_heartbeats
from xdb.core.proving import Span
from xdb.core.rules.segments import Space, passed_over
from xdb.index.keys import (
    AUDITS,
    BY_EPOCH,
    HOLDERS_OF,
    SEED,
    SEGMENTS,
    UNSEALED,
    AuditEntry,
    SegmentEntry,
    audit_key,
    beats_key,
    day_key,
    file_key,
    node_key,
    number,
    space_key,
)
from xdb.index.members import DAY
from xdb.index.paging import SCANNED, cursor, newest_first, page, while_
from xdb.index.staging import load
from xdb.index.views import AuditCounts, AuditView, FileView, HeartbeatDay, Page, Seed
from xdb.model.health import EpochVerdict, Verdict
from xdb.model.ids import Address, NodeId
from xdb.model.registry import NodeRecord, Parameters
from xdb.ports.kv import KeyValue

FEW = 64
"""Nodes whose audits are looked up one by one, not among those of all."""

_KEY = 28  # epoch and node, or node and epoch


class Audits:
    """Views over the index's store. Times are chain time."""

    def __init__(self, kv: KeyValue, parameters: Callable[[], Parameters]) -> None:
        self._kv = kv
        self._parameters = parameters

    # ------------------------------------------------------------ what is asked

    def seed(self) -> Seed | None:
        """The newest seed; its epoch is open, all before it are closed."""
        return load(self._kv.get(SEED), Seed)

    def leaves(self, node: NodeId, epoch: int) -> int:
        """Leaves that draws of `epoch` are taken from; 0 when it asks nothing of the node."""
        space = load(self._kv.get(space_key(node)), Space)
        extent = space.before(epoch) if space is not None else None
        return extent.leaves if extent is not None else 0

    def span_at(self, node: NodeId, leaf: int, epoch: int) -> Span:
        """The segment that a leaf lies in, and whether it is a hole for `epoch`."""
        prefix = SEGMENTS + node
        behind = prefix + number(leaf + 1)
        for key, value in self._kv.scan(prefix, after=behind, reverse=True):
            entry = load(value, SegmentEntry)
            if entry is not None:
                return self._span(int.from_bytes(key[len(prefix) :], "big"), entry, epoch)
        raise ValueError(f"node {node.hex()} has no segment with leaf {leaf}")

    def unsealed(self, node: NodeId) -> int | None:
        """The epoch of the node's oldest holding that is in no segment yet."""
        prefix = UNSEALED + node
        for key, _ in self._kv.scan(prefix):
            return int.from_bytes(key[len(prefix) : len(prefix) + 8], "big")
        return None

    def may_ask_until(self, epoch: int) -> bool:
        """Whether what ended in `epoch` may still be asked for: by it, or by one before."""
        seed = self.seed()
        return seed is not None and seed.epoch <= epoch

    # ------------------------------------------------------------ what was answered

    def audit(self, node: NodeId, epoch: int) -> AuditView | None:
        """One audit; None when the epoch asked nothing of the node, or is forgotten."""
        entry = load(self._kv.get(audit_key(node, epoch)), AuditEntry)
        if entry is not None:
            return self._view(node, epoch, entry)
        seed = self.seed()
        if seed is None or seed.epoch != epoch or not self.leaves(node, epoch):
            return None
        return AuditView(epoch, node, None, 0, (), is_open=True)

    def verdicts(self, node: NodeId, first: int) -> tuple[EpochVerdict, ...]:
        """Verdicts of closed epochs from `first` on, the oldest first."""
        found = []
        prefix = AUDITS + node
        for key, value in newest_first(self._kv, prefix, first, None, b"", _KEY):
            epoch, entry = int.from_bytes(key[-8:], "big"), load(value, AuditEntry)
            if entry is not None and not self._is_open(epoch):
                found.append(EpochVerdict(epoch, entry.verdict))
        return tuple(reversed(found))

    def listed(  # noqa: PLR0913  # what a list may be narrowed by
        self,
        nodes: Mapping[NodeId, int] | None = None,
        *,
        verdict: Verdict | None = None,
        since: int = 0,
        until: int | None = None,
        after: bytes = b"",
        limit: int = 100,
    ) -> Page[AuditView]:
        """Audits of epochs [since, until), the newest first.

        With `nodes`, only theirs, of each from the epoch on that stands beside it.
        """

        def taken(key: bytes, value: bytes) -> AuditView | None:
            if not _is_wanted(key, value, nodes, verdict):
                return None
            return self.audit(_node_of(key), _epoch_of(key))

        pairs = self._newest_first(nodes, since, until, after)
        return page(pairs, len(BY_EPOCH), limit, taken)

    def count(
        self,
        nodes: Mapping[NodeId, int] | None = None,
        *,
        verdict: Verdict | None = None,
        since: int = 0,
        until: int | None = None,
        after: bytes = b"",
    ) -> AuditCounts:
        """How many audits of the same list have which verdict, `SCANNED` of them looked at."""
        found: Counter[Verdict] = Counter()
        last = b""
        pairs = self._newest_first(nodes, since, until, after)
        for seen, (key, value) in enumerate(pairs):
            if seen == SCANNED:
                return AuditCounts(found, last)
            if _is_wanted(key, value, nodes, verdict):
                found[Verdict(value[0])] += 1
            last = key[len(BY_EPOCH) :]
        return AuditCounts(found, b"")

    def holders_of(self, owner: Address) -> list[NodeId]:
        """Nodes that hold anything of an owner, or gave it up and are still in its place."""
        prefix = HOLDERS_OF + owner
        return [NodeId(Address(key[len(prefix) :])) for key, _ in self._kv.scan(prefix)]

    # ------------------------------------------------------------ heartbeats

    def heartbeats(self, node: NodeId, first: int, last: int) -> int:
        """Heartbeats of epochs `first` to `last`, as far back as the health window reaches."""
        keys = (beats_key(node, epoch) for epoch in range(first, last + 1))
        return sum(int.from_bytes(self._kv.get(key) or b"", "big") for key in keys)

    def heartbeat_days(self, node: NodeId, now: int, days: int) -> list[HeartbeatDay]:
        """The last `days` days in UTC, today first; days before the node came are left out."""
        record = load(self._kv.get(node_key(node)), NodeRecord)
        if record is None:
            return []
        found = []
        first = max(now // DAY - days + 1, record.registered // DAY)
        for day in range(now // DAY, first - 1, -1):
            seen = int.from_bytes(self._kv.get(day_key(node, day)) or b"", "big")
            end = min(now, (day + 1) * DAY)
            time = self._parameters(), record.registered, day * DAY, end
            expected, possible = expected_heartbeats(*time), possible_heartbeats(*time)
            found.append(HeartbeatDay(day * DAY, seen, expected, possible))
        return found

    # ------------------------------------------------------------ inside

    def _newest_first(
        self, nodes: Mapping[NodeId, int] | None, since: int, until: int | None, after: bytes
    ) -> Iterator[tuple[bytes, bytes]]:
        """Verdicts by epoch; for a few nodes theirs alone, however many others there are."""
        if nodes is None or len(nodes) > FEW:
            return newest_first(self._kv, BY_EPOCH, since, until, after, _KEY)
        cursor(after, _KEY)
        each = (self._of(node, max(since, nodes[node]), until, after) for node in nodes)
        return merge(*each, reverse=True)

    def _of(
        self, node: NodeId, since: int, until: int | None, after: bytes
    ) -> Iterator[tuple[bytes, bytes]]:
        """The same pairs for one node."""
        prefix = AUDITS + node
        # behind a cursor come the nodes before its own in the same epoch
        start = after[:8] + b"\0" if node < after[8:] else after[:8]
        if until is not None:
            start = min(start or number(until), number(until))
        pairs = self._kv.scan(prefix, after=prefix + start if start else b"", reverse=True)
        first = prefix + number(since)
        for key, value in while_(pairs, lambda key: key >= first):
            entry = load(value, AuditEntry)
            if entry is not None:
                yield BY_EPOCH + key[-8:] + node, bytes([entry.verdict])

    def _span(self, start: int, entry: SegmentEntry, epoch: int) -> Span:
        view = load(self._kv.get(file_key(entry.file)), FileView)
        record = None if view is None else view.record
        return Span(
            index=entry.index,
            start=start,
            leaves=entry.leaves,
            replica_leaves=entry.replica_leaves,
            file=entry.file,
            slot=entry.slot,
            hole=passed_over(self._parameters(), record, entry.ended, epoch),
        )

    def _is_open(self, epoch: int) -> bool:
        seed = self.seed()
        return seed is not None and seed.epoch == epoch

    def _view(self, node: NodeId, epoch: int, entry: AuditEntry) -> AuditView:
        return AuditView(
            epoch, node, entry.verdict, entry.time, entry.lost, is_open=self._is_open(epoch)
        )


def _is_wanted(
    key: bytes, value: bytes, nodes: Mapping[NodeId, int] | None, verdict: Verdict | None
) -> bool:
    if verdict is not None and value[0] != verdict:
        return False
    if nodes is None:
        return True
    first = nodes.get(_node_of(key))
    return first is not None and _epoch_of(key) >= first


def _epoch_of(key: bytes) -> int:
    return int.from_bytes(key[len(BY_EPOCH) : len(BY_EPOCH) + 8], "big")


def _node_of(key: bytes) -> NodeId:
    return NodeId(Address(key[len(BY_EPOCH) + 8 :]))
