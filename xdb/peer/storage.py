"""Storage nodes over gRPC."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass

from google.protobuf.message import Message

from xdb.core.manifest import LIMIT as LARGEST_MANIFEST
from xdb.core.manifest import manifest_digest
from xdb.core.slicing import LARGEST_SLICE
from xdb.core.wire import to_message, to_record
from xdb.errors import IntegrityError
from xdb.model.ids import FileId
from xdb.model.registry import Holder, NodeRecord
from xdb.model.storage import Commitment, Damage, LeafShown, NodeStatus, ReplicaKey, SlotRef
from xdb.pb import replica_pb2
from xdb.peer.calls import Party, read
from xdb.peer.config import PeerConfig
from xdb.peer.connections import Connections
from xdb.peer.framing import CHUNK, frame, unframe
from xdb.peer.requests import RequestSigner
from xdb.ports.compute import Buffer

PUSH = "/xdb.v1.ReplicaService/Push"
ACCEPT = "/xdb.v1.ReplicaService/Accept"
PULL = "/xdb.v1.ReplicaService/Pull"
PULL_MANIFEST = "/xdb.v1.ReplicaService/PullManifest"
STATUS = "/xdb.v1.ProbeService/Status"
LEAF = "/xdb.v1.ProbeService/Leaf"
DAMAGED = "/xdb.v1.ProbeService/Damaged"

SMALL = 16 << 10
"""Bytes that travel in the first message, so that a call takes one step instead of five."""

MOST_DAMAGED = 1000
"""Items of a page of damage: a node may not keep its owners busy with more."""
LONGEST_CURSOR = 48

_DATA = 2  # field of PushRequest and AcceptRequest
_CHUNK_DATA = 1  # field of Chunk


@dataclass(frozen=True, slots=True)
class GrpcStoragePeers:
    """`StoragePeers`: nodes as their records describe them, asked in one identity's name."""

    signer: RequestSigner
    connections: Connections

    def peer(self, node: NodeRecord) -> "GrpcStoragePeer":
        """See `StoragePeers`."""
        whom = f"node {node.node.hex()} at {node.endpoint.address}"
        party = Party(whom, node.endpoint, self.connections, node.node, self.signer)
        return GrpcStoragePeer(node, party)


@dataclass(frozen=True, slots=True)
class GrpcStoragePeer:
    """One storage node. Nothing is tried twice here."""

    node: NodeRecord
    party: Party

    async def push(self, slot: SlotRef, piece: int, commitment: Commitment, sealed: Buffer) -> None:
        """See `StoragePeer`."""
        header = replica_pb2.PushHeader(
            slot=to_message(slot, replica_pb2.SlotRef),
            piece=piece,
            length=commitment.length,
            root=commitment.root,
        )
        async with self._bulk:
            if len(sealed) <= SMALL:
                header.data = bytes(sealed)
                request = replica_pb2.PushRequest(header=header)
                await self.party.ask(PUSH, request, replica_pb2.PushReply, self._config.bulk)
                return
            await self.party.send(
                PUSH,
                replica_pb2.PushRequest(header=header),
                _chunks(sealed),
                replica_pb2.PushReply,
                self._config.for_bytes(len(sealed)),
            )

    async def accept(self, slot: SlotRef, manifest: bytes, expiry: int, version: int) -> Holder:
        """See `StoragePeer`."""
        header = replica_pb2.AcceptHeader(
            slot=to_message(slot, replica_pb2.SlotRef),
            manifest_length=len(manifest),
            manifest=manifest_digest(manifest),
            expiry=expiry,
            version=version,
        )
        async with self._bulk:
            if len(manifest) <= SMALL:
                header.data = manifest
                request = replica_pb2.AcceptRequest(header=header)
                reply = await self.party.ask(
                    ACCEPT, request, replica_pb2.AcceptReply, self._config.bulk
                )
            else:
                reply = await self.party.send(
                    ACCEPT,
                    replica_pb2.AcceptRequest(header=header),
                    _chunks(manifest),
                    replica_pb2.AcceptReply,
                    self._config.for_bytes(len(manifest)),
                )
        return self._holder(reply)

    async def pull(self, key: ReplicaKey, offset: int = 0, length: int = 0) -> bytes:
        """See `StoragePeer`."""
        request = replica_pb2.PullRequest(
            file=key.file, slot=key.slot, piece=key.piece, offset=offset, length=length
        )
        async with self._bulk:
            most = min(length or LARGEST_SLICE, LARGEST_SLICE)
            return await self._receive(PULL, request, most)

    async def pull_manifest(self, file: FileId, slot: int) -> bytes:
        """See `StoragePeer`."""
        request = replica_pb2.PullManifestRequest(file=file, slot=slot)
        return await self._receive(PULL_MANIFEST, request, LARGEST_MANIFEST)

    async def status(self) -> NodeStatus:
        """See `StoragePeer`."""
        request = replica_pb2.StatusRequest()
        reply = await self.party.ask(STATUS, request, replica_pb2.StatusReply, self._config.control)
        try:
            return to_record(reply, NodeStatus)
        except ValueError as error:
            raise self._broken(error) from error

    async def leaf(self, key: ReplicaKey, leaf: int) -> LeafShown:
        """See `StoragePeer`."""
        request = replica_pb2.LeafRequest(file=key.file, slot=key.slot, piece=key.piece, leaf=leaf)
        reply = await self.party.ask(LEAF, request, replica_pb2.LeafReply, self._config.bulk)
        try:
            return to_record(reply, LeafShown)
        except ValueError as error:
            raise self._broken(error) from error

    async def damaged(self, after: bytes = b"", limit: int = 0) -> tuple[list[Damage], bytes]:
        """See `StoragePeer`."""
        request = replica_pb2.DamagedRequest(after=after, limit=limit)
        reply = await self.party.ask(
            DAMAGED, request, replica_pb2.DamagedReply, self._config.control
        )
        if len(reply.items) > MOST_DAMAGED or len(reply.next) > LONGEST_CURSOR:
            raise self._broken(
                f"{len(reply.items)} damages in one page, and then {len(reply.next)} bytes"
            )
        try:
            return [to_record(item, Damage) for item in reply.items], reply.next
        except ValueError as error:
            raise self._broken(error) from error

    @property
    def _config(self) -> PeerConfig:
        return self.party.connections.config

    @property
    def _bulk(self) -> asyncio.Semaphore:
        return self.party.connections.bulk(self.node.endpoint)

    async def _receive(self, method: str, request: Message, most: int) -> bytes:
        parts: list[Buffer] = []
        size = 0
        within = self._config.for_bytes(most)
        async with aclosing(self.party.receive(method, request, within)) as messages:
            async for message in messages:
                data = unframe(_CHUNK_DATA, message)
                if data is None:
                    data = memoryview(read(self.party.whom, message, replica_pb2.Chunk).data)
                size += len(data)
                if size > most:
                    raise self._broken(f"more than the {most} bytes asked for")
                parts.append(data)
        return b"".join(parts)

    def _holder(self, reply: replica_pb2.AcceptReply) -> Holder:
        try:
            holder = to_record(reply.holder, Holder)
        except ValueError as error:
            raise self._broken(error) from error
        if holder.node != self.node.node:
            raise self._broken(f"a receipt of node {holder.node.hex()}")
        return holder

    def _broken(self, why: object) -> IntegrityError:
        return IntegrityError(f"{self.party.whom} answered with {why}: use another node")


def _chunks(data: Buffer) -> Iterator[bytes]:
    view = memoryview(data)
    for start in range(0, len(view), CHUNK):
        yield frame(_DATA, view[start : start + CHUNK])
