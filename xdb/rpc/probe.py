"""ProbeService: what a storage node says and shows of what it keeps."""

from typing import Any

import grpc

from xdb.core.wire import to_message
from xdb.model.ids import FileId
from xdb.model.storage import ReplicaKey
from xdb.pb import replica_pb2
from xdb.rpc.authorization import caller
from xdb.rpc.edge import Context
from xdb.rpc.fields import fixed
from xdb.rpc.server import Service, service_of
from xdb.services.custody import Custody
from xdb.services.probing import Probing

NAME = "xdb.v1.ProbeService"


class ProbeServicer:
    """Answers for one node."""

    def __init__(self, custody: Custody, probing: Probing) -> None:
        self._custody = custody
        self._probing = probing

    async def status(
        self, _request: replica_pb2.StatusRequest, _context: Context
    ) -> replica_pb2.StatusReply:
        """Room, health and whether the caller's files are taken."""
        return to_message(await self._custody.status(caller()), replica_pb2.StatusReply)

    async def leaf(
        self, request: replica_pb2.LeafRequest, _context: Context
    ) -> replica_pb2.LeafReply:
        """One leaf of a replica with its way to the holding root."""
        key = ReplicaKey(FileId(fixed(request.file, FileId, "file")), request.slot, request.piece)
        shown = await self._probing.leaf(caller(), key, request.leaf)
        return to_message(shown, replica_pb2.LeafReply)

    async def damaged(
        self, request: replica_pb2.DamagedRequest, _context: Context
    ) -> replica_pb2.DamagedReply:
        """What this node lost of the caller's, for it to hand over again."""
        found, after = await self._probing.damaged(caller(), request.after, request.limit)
        items = [to_message(damage, replica_pb2.DamagedReply.Item) for damage in found]
        return replica_pb2.DamagedReply(items=items, next=after)


def probe_service(custody: Custody, probing: Probing) -> Service:
    """The service of a storage node."""
    servicer = ProbeServicer(custody, probing)
    handlers: dict[str, Any] = {
        "Status": grpc.unary_unary_rpc_method_handler(
            servicer.status,
            request_deserializer=replica_pb2.StatusRequest.FromString,
            response_serializer=replica_pb2.StatusReply.SerializeToString,
        ),
        "Leaf": grpc.unary_unary_rpc_method_handler(
            servicer.leaf,
            request_deserializer=replica_pb2.LeafRequest.FromString,
            response_serializer=replica_pb2.LeafReply.SerializeToString,
        ),
        "Damaged": grpc.unary_unary_rpc_method_handler(
            servicer.damaged,
            request_deserializer=replica_pb2.DamagedRequest.FromString,
            response_serializer=replica_pb2.DamagedReply.SerializeToString,
        ),
    }
    return service_of(NAME, handlers, {})
