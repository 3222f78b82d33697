"""Messages of audits, days and migrations <-> records of the library."""

from datetime import UTC, datetime, timedelta

from xdb.client import history_records as records
from xdb.client.messages import seconds
from xdb.client.nodes import checked
from xdb.client.refs import file_ref
from xdb.model.health import Verdict
from xdb.model.ids import WIDTHS, Address, Digest, FileId, NodeId
from xdb.pb import owner_pb2


def wanted(
    filter_: records.AuditFilter, limit: int = 0, cursor: bytes = b""
) -> owner_pb2.ListAuditsRequest:
    """A request for audits."""
    return owner_pb2.ListAuditsRequest(
        verdict=owner_pb2.Verdict.ValueType(filter_.verdict or 0),
        node=b"" if filter_.node is None else checked(filter_.node),
        file=None if filter_.file is None else file_ref(filter_.file),
        all=filter_.everybody,
        until=seconds(filter_.until) if filter_.until else 0,
        limit=limit,
        cursor=cursor,
        **{"from": seconds(filter_.since) if filter_.since else 0},
    )


def audits(m: owner_pb2.ListAuditsReply) -> records.AuditPage:
    """A page of audits."""
    length = timedelta(seconds=m.epoch_length)
    return records.AuditPage(tuple(map(audit, m.audits)), m.next or None, length)


def audit(m: owner_pb2.AuditInfo) -> records.AuditInfo:
    """An audit."""
    return records.AuditInfo(
        id=m.id,
        epoch=m.epoch,
        starts=_time(m.starts),
        ends=_time(m.ends),
        node=_node(m.node),
        address=m.address,
        verdict=Verdict(m.verdict) if m.verdict else None,
        open=m.open,
        time=_time(m.time) if m.time else None,
        lost=tuple(
            records.LostHolding(FileId(_fixed(each.file, FileId)), each.slot, each.name)
            for each in m.lost
        ),
        seed=Digest(_fixed(m.seed, Digest)) if m.seed else None,
    )


def counts(m: owner_pb2.AuditCounts) -> tuple[records.AuditCounts, bytes]:
    """Some audits by verdict, and where to go on."""
    return records.AuditCounts(m.proved, m.failed, m.missed, m.void), m.next


def days(m: owner_pb2.NodeHistoryReply) -> tuple[records.NodeDay, ...]:
    """Days of a node."""
    return tuple(
        records.NodeDay(
            _time(day.start),
            day.heartbeats,
            day.expected,
            day.proved,
            day.failed,
            day.missed,
            day.void,
            day.possible,
        )
        for day in m.days
    )


def migrations(m: owner_pb2.ListMigrationsReply) -> records.MigrationPage:
    """A page of migrations."""
    found = tuple(
        records.MigrationInfo(
            time=_time(each.time),
            file=FileId(_fixed(each.file, FileId)),
            name=each.name,
            slot=each.slot,
            source=_node(each.source) if each.source else None,
            target=_node(each.target) if each.target else None,
            size=each.size,
            version=each.version,
        )
        for each in m.migrations
    )
    return records.MigrationPage(found, m.next or None)


def _node(data: bytes) -> NodeId:
    return NodeId(Address(_fixed(data, NodeId)))


def _fixed(data: bytes, kind: object) -> bytes:
    if len(data) != WIDTHS[kind]:
        raise ValueError(f"{len(data)} bytes where {WIDTHS[kind]} belong")
    return data


def _time(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)
