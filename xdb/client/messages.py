"""Messages of the owner node <-> records of the library."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from enum import IntEnum
from typing import TypeVar

from google.protobuf.message import Message

from xdb.client import records
from xdb.client.records import FileStatus, Health, Stage
from xdb.core.wire import to_record
from xdb.errors import IntegrityError
from xdb.model.ids import (
    WIDTHS,
    Address,
    ChainId,
    Deployment,
    Digest,
    FileId,
    NodeId,
    Tag,
)
from xdb.model.registry import NodeState, Redundancy
from xdb.pb import owner_pb2, tasks_pb2

M = TypeVar("M", bound=Message)
R = TypeVar("R")
E = TypeVar("E", bound=IntEnum)
I = TypeVar("I", FileId, NodeId, Address, Digest, Tag, ChainId)  # noqa: E741  # an identifier


def understand(convert: Callable[[M], R], message: M) -> R:
    """What a message says; IntegrityError when it makes no sense."""
    try:
        return convert(message)
    except (ValueError, OverflowError) as error:
        raise IntegrityError(
            f"the owner node answered with a malformed {type(message).__name__} ({error}): use "
            "matching versions on both sides"
        ) from error


def file_info(m: owner_pb2.FileInfo) -> records.FileInfo:
    """A file."""
    return records.FileInfo(
        file=identifier(FileId, m.file),
        namespace=m.namespace,
        name=m.name,
        description=m.description,
        size=m.size,
        published=moment(m.published),
        expiry=instant(m.expiry),
        deleted=moment(m.deleted),
        gone=moment(m.gone),
        status=FileStatus(m.status),
        redundancy=to_record(m.redundancy, Redundancy),
        slots=tuple(_slot(slot) for slot in m.slots),
        root=identifier(Digest, m.root),
        version=m.version,
        health=_perhaps(Health, m.health),
        media_type=m.media_type,
        extra=dict(m.extra),
        digest=identifier(Digest, m.digest) if m.digest else None,
        slices=m.slices,
        slice_size=m.slice_size,
    )


def file_page(m: owner_pb2.ListFilesReply) -> records.FilePage:
    """Some files."""
    return records.FilePage(tuple(file_info(each) for each in m.files), m.next or None)


def digest(data: bytes) -> Digest:
    """A digest; ValueError when it is none."""
    return identifier(Digest, data)


def upload_progress(
    m: owner_pb2.UploadProgress, total: int | None, upload_id: bytes
) -> records.UploadProgress:
    """Where an upload of `total` bytes stands."""
    return records.UploadProgress(
        stage=Stage(m.stage),
        received=m.received,
        total=total,
        upload_id=upload_id,
        holders=tuple(
            records.HolderProgress(h.slot, identifier(NodeId, h.node), h.bytes) for h in m.holders
        ),
        note=m.note,
    )


def replica_check(m: owner_pb2.VerifyReply) -> records.ReplicaCheck:
    """One replica's verification."""
    node = identifier(NodeId, m.node)
    return records.ReplicaCheck(m.slot, node, m.piece, m.good, m.problem, m.checked, m.total)


def usage(m: owner_pb2.UsageReply) -> tuple[records.NamespaceUsage, ...]:
    """What every namespace takes."""
    return tuple(
        records.NamespaceUsage(n.namespace, n.files, n.size, n.stored, n.expired)
        for n in m.namespaces
    )


def namespace_info(m: owner_pb2.NamespaceInfo) -> records.NamespaceInfo:
    """A namespace."""
    return records.NamespaceInfo(
        namespace=identifier(Tag, m.namespace),
        name=m.name,
        description=m.description,
        redundancy=to_record(m.redundancy, Redundancy),
        created=moment(m.created),
        files=m.files,
        expired=m.expired,
        size=m.size,
        colours=dict(m.colours),
    )


def listed_node(m: owner_pb2.NodeInfo) -> records.NodeInfo:
    """A node as listed, not asked."""
    return records.NodeInfo(
        node=identifier(NodeId, m.node),
        signer=identifier(Address, m.signer),
        address=m.address,
        operator=m.operator,
        zone=m.zone,
        state=NodeState(m.state),
        capacity=m.capacity,
        registered=moment(m.registered),
        last_heartbeat=moment(m.last_heartbeat),
        holdings=m.holdings,
        stored=m.stored,
        health=_perhaps(Health, m.health),
    )


def asked_node(m: owner_pb2.NodeInfo) -> records.NodeInfo:
    """A node that was asked how it is."""
    return replace(listed_node(m), reachable=m.reachable, problem=m.problem, free=m.free)


def task_listing(m: tasks_pb2.TasksReply) -> records.TaskListing:
    """Periodic tasks."""
    return records.TaskListing(tuple(map(_task, m.tasks)), tuple(m.problems))


def owner_status(m: owner_pb2.OwnerStatus) -> records.OwnerStatus:
    """The owner node."""
    return records.OwnerStatus(
        owner=identifier(Address, m.owner),
        deployment=Deployment(identifier(ChainId, m.chain), identifier(Address, m.contract)),
        height=m.height,
        chain_time=instant(m.chain_time),
        version=m.version,
        retention=m.retention,
        slice_size=m.slice_size,
        open_uploads=m.open_uploads,
    )


def write_redundancy(record: Redundancy, into: Message) -> None:
    """Writes a policy into the field of a request."""
    for name in ("coding", "required", "total"):
        setattr(into, name, getattr(record, name))


def seconds(time: datetime) -> int:
    """Unix seconds of an aware time."""
    if time.tzinfo is None:
        raise ValueError(f"{time} has no time zone")
    return int(time.timestamp())


def _slot(m: owner_pb2.SlotInfo) -> records.SlotInfo:
    node, state = identifier(NodeId, m.node), _perhaps(NodeState, m.state)
    return records.SlotInfo(m.slot, node, m.address, state)


def _task(m: tasks_pb2.TaskStatus) -> records.TaskInfo:
    return records.TaskInfo(
        name=m.name,
        every=m.every,
        runs=m.runs,
        failures=m.failures,
        last_run=moment(m.last_run),
        next_run=moment(m.next_run),
        last_report=m.last_report,
        last_error=m.last_error,
        degraded=m.degraded,
        server=m.server,
    )


def identifier(kind: type[I], data: bytes) -> I:
    """An id or digest; ValueError when it has another width than its kind."""
    if len(data) != WIDTHS[kind]:
        raise ValueError(f"{len(data)} bytes where {WIDTHS[kind]} belong")
    return kind(Address(data))  # which is bytes to all of them


def _perhaps(kind: type[E], number: int) -> E | None:
    return kind(number) if number else None


def instant(at: int) -> datetime:
    """Unix seconds as a time."""
    return datetime.fromtimestamp(at, UTC)


def moment(at: int) -> datetime | None:
    """The same, and nothing for 0."""
    return instant(at) if at else None
