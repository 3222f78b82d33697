"""Messages of health, plans and probes -> records of the library.

They have the same field names; times become moments, and what is empty None.
"""

from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import Any, TypeVar

from google.protobuf.message import Message

from xdb.client import health_records as records
from xdb.client.messages import identifier, instant, moment
from xdb.client.records import Health
from xdb.model.ids import FileId, NodeId, Tag
from xdb.model.registry import NodeState
from xdb.pb import owner_pb2

R = TypeVar("R")

_Convert = Callable[[Any], Any]


def system(m: owner_pb2.SystemHealth) -> records.SystemHealth:
    """Everything."""
    return _read(records.SystemHealth, m, _SUMS)


def namespace(m: owner_pb2.NamespaceHealth) -> records.NamespaceHealth:
    """A namespace."""
    return _read(records.NamespaceHealth, m, _SUMS)


def node(m: owner_pb2.NodeHealth) -> records.NodeHealth:
    """A node."""
    convert: dict[str, _Convert] = {
        "node": _fixed(NodeId),
        "state": NodeState,
        "standing": _standing if m.HasField("standing") else _nothing,
        "since": moment,
        "as_of": instant,
        "triggers": _each(_trigger),
        "probed": moment,
    }
    return _read(records.NodeHealth, m, convert)


def file(m: owner_pb2.FileHealth) -> records.FileHealth:
    """A file."""
    convert: dict[str, _Convert] = {
        "file": _fixed(FileId),
        "standing": _standing,
        "since": moment,
        "as_of": instant,
        "slots": _each(_slot),
    }
    return _read(records.FileHealth, m, convert)


def events(m: owner_pb2.HealthEventsReply) -> records.HealthPage:
    """A page of changes."""
    return _each(_event)(m.events), m.next


def plan(m: owner_pb2.PlanReply) -> records.Plan:
    """A plan."""
    convert: dict[str, _Convert] = {"steps": _each(_step), "deferred": _each(_deferred)}
    return _read(records.Plan, m, convert)


def migration_report(m: owner_pb2.MigrationReport) -> records.MigrationReport:
    """What a cycle did."""
    return _read(records.MigrationReport, m, {"problems": tuple})


def audit_report(m: owner_pb2.AuditReport) -> records.AuditReport:
    """What probes showed."""
    return _read(records.AuditReport, m, {"findings": _each(_finding), "problems": tuple})


def _read(kind: type[R], message: Message, convert: dict[str, _Convert]) -> R:
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]  # a dataclass
    return kind(**{name: convert.get(name, _same)(getattr(message, name)) for name in names})


def _each(convert: _Convert) -> Callable[[Any], tuple[Any, ...]]:
    return lambda messages: tuple(map(convert, messages))


def _fixed(kind: Any) -> _Convert:  # noqa: ANN401  # an id
    return partial(identifier, kind)


def _same(value: Any) -> Any:  # noqa: ANN401  # any field
    return value


def _nothing(_: object) -> None:
    return None


_standing = partial(_read, records.Standing, convert={"colour": Health})
_counts = partial(_read, records.Counts, convert={})
_trigger = partial(_read, records.Trigger, convert={"since": instant})
_ailing = partial(
    _read,
    records.Ailing,
    convert={"kind": records.HealthKind, "standing": _standing, "since": moment},
)
_slot = partial(
    _read, records.SlotHealth, convert={"node": _fixed(NodeId), "triggers": _each(_trigger)}
)
_event = partial(
    _read,
    records.HealthEvent,
    convert={"time": instant, "kind": records.HealthKind, "before": Health, "after": Health},
)
_step = partial(
    _read,
    records.PlannedStep,
    convert={
        "file": _fixed(FileId),
        "source": lambda data: _fixed(NodeId)(data) if data else None,
        "target": _fixed(NodeId),
    },
)
_deferred = partial(_read, records.DeferredSlot, convert={"file": _fixed(FileId)})
_damaged = partial(_read, records.DamagedSlot, convert={"file": _fixed(FileId)})
_finding = partial(
    _read, records.AuditFinding, convert={"node": _fixed(NodeId), "damaged": _each(_damaged)}
)
_SUMS: dict[str, _Convert] = {
    "standing": _standing,
    "as_of": instant,
    "files": _counts,
    "nodes": _counts,
    "worst_files": _each(_ailing),
    "worst_nodes": _each(_ailing),
    "namespace": _fixed(Tag),
}
