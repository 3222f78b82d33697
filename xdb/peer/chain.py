"""Servers of the embedded chain over gRPC. Envelopes are signed; requests are not."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

from xdb.core.encoding import decode
from xdb.core.wire import to_message
from xdb.errors import IntegrityError
from xdb.model.calls import Envelope
from xdb.model.ids import WIDTHS, Digest, NodeId
from xdb.model.refusal import Refusal
from xdb.model.registry import Endpoint, NodeRecord
from xdb.pb import chain_pb2, registry_pb2
from xdb.peer.calls import Party, read
from xdb.peer.config import PeerConfig
from xdb.peer.connections import Connections
from xdb.ports.peer import Outcome, RemoteHead, RemoteNode

SUBMIT = "/xdb.v1.ChainService/Submit"
BLOCKS = "/xdb.v1.ChainService/Blocks"
STATUS = "/xdb.v1.ChainService/Status"
GENESIS = "/xdb.v1.ChainService/Genesis"
NODE = "/xdb.v1.ChainService/Node"


@dataclass(frozen=True, slots=True)
class GrpcChainPeers:
    """`ChainPeers`."""

    connections: Connections

    def peer(self, endpoint: Endpoint) -> "GrpcChainPeer":
        """See `ChainPeers`."""
        return GrpcChainPeer(Party(f"chain server {endpoint.address}", endpoint, self.connections))


@dataclass(frozen=True, slots=True)
class GrpcChainPeer:
    """One chain server."""

    party: Party

    async def submit(self, envelope: Envelope) -> Outcome:
        """See `ChainPeer`."""
        request = to_message(envelope, registry_pb2.Envelope)
        reply = await self.party.ask(
            SUBMIT, request, chain_pb2.Inclusion, self._config.for_bytes(0)
        )
        try:
            refusal = Refusal(reply.refusal)
        except ValueError as error:
            raise self._broken(
                f"refusal {reply.refusal}, which this version does not know"
            ) from error
        return Outcome(
            height=reply.height,
            time=reply.time,
            refusal=refusal,
            reason=reply.reason,
            transaction=self._digest(reply.transaction),
        )

    async def blocks(self, start: int) -> AsyncIterator[bytes]:
        """See `ChainPeer`."""
        request = chain_pb2.BlocksRequest(**{"from": start})
        async with aclosing(self.party.receive(BLOCKS, request, None)) as messages:
            async for message in messages:
                yield read(self.party.whom, message, chain_pb2.BlockMessage).block

    async def head(self) -> RemoteHead:
        """See `ChainPeer`."""
        request = chain_pb2.ChainStatusRequest()
        reply = await self.party.ask(STATUS, request, chain_pb2.ChainStatus, self._config.control)
        return RemoteHead(reply.height, self._digest(reply.block), reply.time)

    async def genesis(self) -> bytes:
        """The genesis the server's chain began with. Not verified here."""
        request = chain_pb2.GenesisRequest()
        reply = await self.party.ask(GENESIS, request, chain_pb2.GenesisReply, self._config.control)
        return reply.genesis

    async def node(self, node: NodeId) -> RemoteNode:
        """See `ChainPeer`."""
        request = chain_pb2.NodeRequest(node=node)
        reply = await self.party.ask(NODE, request, chain_pb2.NodeReply, self._config.control)
        try:
            record = decode(NodeRecord, reply.record) if reply.record else None
        except ValueError as error:
            raise self._broken(f"a record that cannot be read ({error})") from error
        if record is not None and record.node != node:
            raise self._broken(f"the record of another node, {record.node.hex()}")
        return RemoteNode(reply.height, reply.time, record)

    @property
    def _config(self) -> PeerConfig:
        return self.party.connections.config

    def _digest(self, data: bytes) -> Digest:
        if len(data) != WIDTHS[Digest]:
            raise self._broken(f"a digest of {len(data)} bytes")
        return Digest(data)

    def _broken(self, why: str) -> IntegrityError:
        return IntegrityError(f"{self.party.whom} answered with {why}: ask another server")
