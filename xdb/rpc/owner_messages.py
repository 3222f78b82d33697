"""Records of the owner's services <-> messages of proto/xdb/v1/owner.proto."""

from xdb.core.wire import to_message, to_record
from xdb.errors import InvalidRequestError
from xdb.index.index import Index
from xdb.index.views import FileStatus, NodeView
from xdb.model.health import Colour
from xdb.model.ids import FileId, NodeId, Nonce
from xdb.model.registry import NodeState, Redundancy
from xdb.pb import owner_pb2, registry_pb2
from xdb.rpc.fields import fixed
from xdb.services.catalog import FileDetails, FileRef, FileRefById, FileRefByName
from xdb.services.health.look import Look
from xdb.services.namespaces import NamespaceDetails
from xdb.services.opening import OpenFile
from xdb.services.upload.request import Progress, Stage, UploadRequest

LARGEST_TEXT = 4096
MOST_EXTRA = 64


def file_ref(message: owner_pb2.FileRef) -> FileRef:
    """Which file is meant."""
    if message.file:
        return FileRefById(FileId(fixed(message.file, FileId, "file")))
    if not message.namespace or not message.name:
        raise InvalidRequestError("which file? give its id, or its namespace and name")
    return FileRefByName(message.namespace, message.name)


def upload_request(header: owner_pb2.UploadHeader, slice_size: int) -> UploadRequest:
    """What an upload asks for; `slice_size` when it does not say."""
    if len(header.description.encode()) > LARGEST_TEXT:
        raise InvalidRequestError(f"the description has more than {LARGEST_TEXT} bytes: shorten it")
    if len(header.extra) > MOST_EXTRA:
        raise InvalidRequestError(f"more than {MOST_EXTRA} extra fields: give fewer")
    return UploadRequest(
        namespace=header.namespace,
        name=header.name,
        expiry=header.expiry,
        upload=Nonce(fixed(header.upload, Nonce, "upload")),
        description=header.description,
        media_type=header.media_type,
        extra=tuple(sorted(header.extra.items())),
        size=header.size if header.HasField("size") else None,
        replace=header.replace,
        wait=Stage.FINAL if header.wait == owner_pb2.STAGE_FINAL else Stage.PUBLISHED,
        slice_size=header.slice_size if header.HasField("slice_size") else slice_size,
        rewindable=header.rewindable,
    )


def progress(report: Progress) -> owner_pb2.UploadProgress:
    """Where an upload stands."""
    return owner_pb2.UploadProgress(
        stage=owner_pb2.Stage.ValueType(report.stage),
        received=report.received,
        holders=[
            owner_pb2.HolderProgress(node=each.node, slot=each.slot, bytes=each.size)
            for each in report.holders
        ],
        note=report.note,
    )


def file_info(
    details: FileDetails, colour: Colour, index: Index, opened: OpenFile | None = None
) -> owner_pb2.FileInfo:
    """A file; what stands in the manifest only when it was opened."""
    record = details.view.record
    message = owner_pb2.FileInfo(
        file=record.file,
        namespace=details.namespace,
        name=details.label.name,
        description=details.label.description,
        size=record.size,
        published=record.published,
        expiry=record.expiry,
        deleted=record.deleted,
        gone=record.gone(index.parameters.retention),
        status=owner_pb2.FileStatus.ValueType(details.status),
        redundancy=to_message(record.redundancy, registry_pb2.Redundancy),
        slots=[_slot(index, slot, node) for slot, node in enumerate(record.holders, start=1)],
        root=record.root,
        version=record.version,
        health=health(colour),
    )
    if opened is not None:
        message.media_type = opened.private.media_type
        message.extra.update(opened.private.extra)
        message.digest = opened.private.plaintext_digest
        message.slices = opened.layout.count
        message.slice_size = opened.layout.slice_size
    return message


def _slot(index: Index, slot: int, node: NodeId) -> owner_pb2.SlotInfo:
    known = index.node_record(node)
    if known is None:
        return owner_pb2.SlotInfo(slot=slot, node=node)
    return owner_pb2.SlotInfo(
        slot=slot,
        node=node,
        address=known.endpoint.address,
        state=registry_pb2.NodeState.ValueType(known.state),
    )


def namespace_info(details: NamespaceDetails, colours: dict[str, int]) -> owner_pb2.NamespaceInfo:
    """A namespace."""
    view = details.view
    return owner_pb2.NamespaceInfo(
        namespace=view.record.namespace,
        name=details.label.name,
        description=details.label.description,
        redundancy=to_message(view.record.redundancy, registry_pb2.Redundancy),
        created=view.record.created,
        files=view.files,
        expired=view.expired,
        size=view.size,
        colours=colours,
    )


def health(colour: Colour) -> owner_pb2.Health.ValueType:
    """A colour."""
    return owner_pb2.Health.ValueType(colour)


def node_info(view: NodeView, look: Look) -> owner_pb2.NodeInfo:
    """A node as the chain knows it; one that has left has no colour."""
    record = view.record
    condition = None if record.state is NodeState.LEFT else look.node(record.node)
    return owner_pb2.NodeInfo(
        node=record.node,
        signer=record.signer,
        address=record.endpoint.address,
        operator=record.operator,
        zone=record.zone,
        state=registry_pb2.NodeState.ValueType(record.state),
        capacity=record.capacity,
        registered=record.registered,
        last_heartbeat=view.last_heartbeat,
        holdings=view.holdings,
        stored=view.stored,
        health=health(condition.health.colour) if condition else owner_pb2.HEALTH_UNSPECIFIED,
    )


def redundancy(message: registry_pb2.Redundancy) -> Redundancy:
    """A policy from a request."""
    try:
        return to_record(message, Redundancy)
    except ValueError as error:
        raise InvalidRequestError(f"the redundancy makes no sense ({error}): correct it") from error


def status(message: int) -> FileStatus:
    """A status to list by; live when not said."""
    try:
        return FileStatus(message or FileStatus.LIVE)
    except ValueError as error:
        raise InvalidRequestError(f"there is no file status {message}") from error
