"""Messages of audits, days and migrations <-> records of the library."""

from datetime import timedelta

from xdb.client import history_records as records
from xdb.client.messages import identifier, instant, moment, seconds
from xdb.client.nodes import checked
from xdb.client.refs import file_ref
from xdb.model.health import Verdict
from xdb.model.ids import Digest, FileId, NodeId
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
        starts=instant(m.starts),
        ends=instant(m.ends),
        node=identifier(NodeId, m.node),
        address=m.address,
        verdict=Verdict(m.verdict) if m.verdict else None,
        open=m.open,
        time=moment(m.time),
        lost=tuple(
            records.LostHolding(identifier(FileId, each.file), each.slot, each.name)
            for each in m.lost
        ),
        seed=identifier(Digest, m.seed) if m.seed else None,
    )


def counts(m: owner_pb2.AuditCounts) -> tuple[records.AuditCounts, bytes]:
    """Some audits by verdict, and where to go on."""
    return records.AuditCounts(m.proved, m.failed, m.missed, m.void), m.next


def days(m: owner_pb2.NodeHistoryReply) -> tuple[records.NodeDay, ...]:
    """Days of a node."""
    return tuple(
        records.NodeDay(
            instant(day.start),
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
            time=instant(each.time),
            file=identifier(FileId, each.file),
            name=each.name,
            slot=each.slot,
            source=identifier(NodeId, each.source) if each.source else None,
            target=identifier(NodeId, each.target) if each.target else None,
            size=each.size,
            version=each.version,
        )
        for each in m.migrations
    )
    return records.MigrationPage(found, m.next or None)
