"""ReplicaService: replicas and manifests in and out."""

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from xdb.core.manifest import LIMIT as LARGEST_MANIFEST
from xdb.core.wire import to_message
from xdb.errors import IntegrityError, InvalidRequestError
from xdb.model.ids import Digest, FileId
from xdb.model.storage import Commitment, ReplicaKey, SlotRef
from xdb.pb import registry_pb2, replica_pb2
from xdb.peer.calls import READY
from xdb.peer.framing import CHUNK, frame, unframe
from xdb.rpc.authorization import caller
from xdb.rpc.edge import Context, Method
from xdb.rpc.fields import fixed, record_of
from xdb.rpc.limits import Limits, Planes, within
from xdb.rpc.server import Service, service_of
from xdb.services.custody import Custody

NAME = "xdb.v1.ReplicaService"
_DATA = 2  # field of PushRequest and AcceptRequest
_CHUNK_DATA = 1  # field of Chunk
_READY = ((READY, "1"),)

Messages = AsyncIterator[Any]
M = TypeVar("M", bound=Message)


class ReplicaServicer:
    """Hands requests to the node's custody, and bytes along."""

    def __init__(self, custody: Custody, limits: Limits, planes: Planes) -> None:
        self._custody = custody
        self._limits = limits
        self._planes = planes

    async def push(self, messages: Messages, context: Context) -> replica_pb2.PushReply:
        """Stores one replica: the header is judged before any data is asked for."""
        header = (await _header(messages, replica_pb2.PushRequest)).header
        slot = record_of(header.slot, SlotRef)
        commitment = Commitment(header.length, Digest(fixed(header.root, Digest, "root")))
        who = caller()
        if await self._custody.check_push(who, slot, header.piece, commitment):
            return replica_pb2.PushReply(already_stored=True)
        async with (
            within(self._limits.for_bytes(commitment.length), "the replica did not arrive"),
            self._planes.bulk.memory.hold(who, commitment.length),
        ):
            sealed = header.data or await self._asked(messages, context, commitment.length)
            stored = await self._custody.push(who, slot, header.piece, commitment, sealed)
        return replica_pb2.PushReply(already_stored=stored)

    async def accept(self, messages: Messages, context: Context) -> replica_pb2.AcceptReply:
        """Takes the manifest and gives the receipt."""
        header = (await _header(messages, replica_pb2.AcceptRequest)).header
        slot = record_of(header.slot, SlotRef)
        digest = Digest(fixed(header.manifest, Digest, "manifest"))
        length = header.manifest_length
        if not 0 < length < LARGEST_MANIFEST:
            raise InvalidRequestError(
                f"a manifest of {length} bytes: 1 to {LARGEST_MANIFEST - 1} are taken; "
                "use larger slices"
            )
        who = caller()
        self._custody.check_accept(who, slot, header.expiry, header.version)
        async with self._planes.control.memory.hold(who, length):
            manifest = header.data or bytes(await self._asked(messages, context, length))
            holder = await self._custody.accept(
                who, slot, digest, manifest, header.expiry, header.version
            )
        return replica_pb2.AcceptReply(holder=to_message(holder, registry_pb2.Holder))

    async def _asked(self, messages: Messages, context: Context, length: int) -> bytearray:
        """What follows a header that did not bring the data with it."""
        await context.send_initial_metadata(_READY)
        return await _collect(messages, length)

    async def pull(
        self, request: replica_pb2.PullRequest, _context: Context
    ) -> AsyncIterator[bytes]:
        """A range of a replica, read bit by bit as the caller takes it."""
        key = ReplicaKey(FileId(fixed(request.file, FileId, "file")), request.slot, request.piece)
        who = caller()
        self._custody.check_read(who, key.file, key.slot)
        at, end = request.offset, self._custody.length(key)
        stop = at + request.length if request.length else end
        if not at <= stop <= end:
            raise InvalidRequestError(
                f"piece {key.piece} has {end} bytes, asked for are {at} to {stop}: ask for less"
            )
        while at < stop:
            count = min(CHUNK, stop - at)
            async with self._planes.bulk.memory.hold(who, count):
                yield frame(_CHUNK_DATA, await self._custody.pull(who, key, at, count))
            at += count

    async def pull_manifest(
        self, request: replica_pb2.PullManifestRequest, _context: Context
    ) -> AsyncIterator[bytes]:
        """The manifest of a slot."""
        who, file = caller(), FileId(fixed(request.file, FileId, "file"))
        size = self._custody.manifest_length(who, file, request.slot)
        async with self._planes.control.memory.hold(who, size):
            view = memoryview(await self._custody.pull_manifest(who, file, request.slot))
            for start in range(0, len(view), CHUNK):
                yield frame(_CHUNK_DATA, view[start : start + CHUNK])


def replica_service(custody: Custody, limits: Limits, planes: Planes) -> Service:
    """The service of a storage node."""
    servicer = ReplicaServicer(custody, limits, planes)
    handlers: dict[str, Any] = {
        "Push": grpc.stream_unary_rpc_method_handler(
            servicer.push,
            request_deserializer=_reader(replica_pb2.PushRequest),
            response_serializer=replica_pb2.PushReply.SerializeToString,
        ),
        "Accept": grpc.stream_unary_rpc_method_handler(
            servicer.accept,
            request_deserializer=_reader(replica_pb2.AcceptRequest),
            response_serializer=replica_pb2.AcceptReply.SerializeToString,
        ),
        "Pull": grpc.unary_stream_rpc_method_handler(
            servicer.pull, request_deserializer=replica_pb2.PullRequest.FromString
        ),
        "PullManifest": grpc.unary_stream_rpc_method_handler(
            servicer.pull_manifest,
            request_deserializer=replica_pb2.PullManifestRequest.FromString,
        ),
    }
    methods = {"Push": Method("bulk"), "Pull": Method("bulk")}
    return service_of(NAME, handlers, methods)


def _reader(kind: type[M]) -> Callable[[bytes], M | memoryview]:
    def read(message: bytes) -> M | memoryview:
        data = unframe(_DATA, message)
        return kind.FromString(message) if data is None else data

    return read


async def _header(messages: Messages, kind: type[M]) -> M:
    first = await anext(messages)
    if not isinstance(first, kind) or first.WhichOneof("part") != "header":
        raise InvalidRequestError("the first message must be the header: send it before any data")
    return first


async def _collect(messages: Messages, length: int) -> bytearray:
    data = bytearray(length)
    at = 0
    async for message in messages:
        part = message if isinstance(message, memoryview) else memoryview(message.data)
        if at + len(part) > length:
            raise IntegrityError(
                f"more came than the {length} bytes announced: announce the right length"
            )
        data[at : at + len(part)] = part
        at += len(part)
    if at < length:
        raise IntegrityError(
            f"{at} bytes came where {length} were announced: it was cut short; send it again"
        )
    return data
