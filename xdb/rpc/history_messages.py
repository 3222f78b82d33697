"""Audits, days of nodes and migrations -> messages of proto/xdb/v1/owner.proto."""

from xdb.errors import InvalidRequestError
from xdb.index.views import AuditCounts, AuditView, MigrationView
from xdb.model.health import Verdict
from xdb.pb import owner_pb2
from xdb.rpc.fields import node_id
from xdb.services.history import AuditFilter, History, NodeDay, audit_id


def audit_filter(request: owner_pb2.ListAuditsRequest) -> AuditFilter:
    """What is asked for, but for the file."""
    try:
        verdict = Verdict(request.verdict) if request.verdict else None
    except ValueError as error:
        raise InvalidRequestError(f"there is no verdict {request.verdict}") from error
    since: int = getattr(request, "from")  # a keyword here and a field there
    return AuditFilter(
        verdict=verdict,
        node=node_id(request.node) if request.node else None,
        everybody=request.all,
        since=since,
        until=request.until or None,
    )


def audit(history: History, view: AuditView) -> owner_pb2.AuditInfo:
    """An audit with its epoch."""
    details = history.details(view)
    return owner_pb2.AuditInfo(
        id=audit_id(view),
        epoch=view.epoch,
        starts=details.starts,
        ends=details.ends,
        node=view.node,
        address=history.address(view.node),
        verdict=owner_pb2.Verdict.ValueType(view.verdict or 0),
        open=view.is_open,
        time=view.time,
        lost=[
            owner_pb2.LostHolding(file=ref.file, slot=ref.slot, name=history.file_name(ref.file))
            for ref in view.lost
        ],
        seed=details.seed.seed if details.seed is not None else b"",
    )


def counts(found: AuditCounts) -> owner_pb2.AuditCounts:
    """Audits by verdict."""
    by_verdict = found.by_verdict
    return owner_pb2.AuditCounts(
        proved=by_verdict.get(Verdict.PROVED, 0),
        failed=by_verdict.get(Verdict.FAILED, 0),
        missed=by_verdict.get(Verdict.MISSED, 0),
        void=by_verdict.get(Verdict.VOID, 0),
        next=found.next,
    )


def day(found: NodeDay) -> owner_pb2.NodeDay:
    """A day of a node."""
    return owner_pb2.NodeDay(
        start=found.heartbeats.start,
        heartbeats=found.heartbeats.seen,
        expected=found.heartbeats.expected,
        possible=found.heartbeats.possible,
        proved=found.audits.get(Verdict.PROVED, 0),
        failed=found.audits.get(Verdict.FAILED, 0),
        missed=found.audits.get(Verdict.MISSED, 0),
        void=found.audits.get(Verdict.VOID, 0),
    )


def migration(history: History, view: MigrationView) -> owner_pb2.MigrationInfo:
    """A slot that changed hands."""
    return owner_pb2.MigrationInfo(
        time=view.time,
        file=view.file,
        name=history.file_name(view.file),
        slot=view.slot,
        source=view.source or b"",
        target=view.target or b"",
        size=view.size,
        version=view.version,
    )
