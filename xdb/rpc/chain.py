"""ChainService: calls in, blocks out. Nothing here is signed but the envelopes themselves."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import grpc

from xdb.blockchain.embedded.genesis import write_genesis
from xdb.blockchain.embedded.server import LedgerPeer
from xdb.core.encoding import encode
from xdb.model.calls import Envelope
from xdb.pb import chain_pb2, registry_pb2
from xdb.rpc.edge import Context, Method
from xdb.rpc.fields import node_id, record_of
from xdb.rpc.server import Service, service_of

NAME = "xdb.v1.ChainService"


@dataclass(frozen=True, slots=True)
class ChainServicer:
    """Serves any ledger; takes calls where there is a sequencer beside it."""

    source: LedgerPeer

    async def submit(
        self, request: registry_pb2.Envelope, _context: Context
    ) -> chain_pb2.Inclusion:
        """Returns when the call is in a block."""
        outcome = await self.source.submit(record_of(request, Envelope))
        return chain_pb2.Inclusion(
            height=outcome.height,
            position=self.source.ledger.position(outcome.transaction),
            time=outcome.time,
            refusal=int(outcome.refusal),  # type: ignore[arg-type]  # the numbers are the same
            reason=outcome.reason,
            transaction=outcome.transaction,
        )

    async def blocks(
        self, request: chain_pb2.BlocksRequest, _context: Context
    ) -> AsyncIterator[chain_pb2.BlockMessage]:
        """Blocks without end."""
        async with aclosing(self.source.blocks(getattr(request, "from"))) as blocks:
            async for block in blocks:
                yield chain_pb2.BlockMessage(block=block)

    async def status(
        self, _request: chain_pb2.ChainStatusRequest, _context: Context
    ) -> chain_pb2.ChainStatus:
        """The newest block."""
        ledger = self.source.ledger
        head = ledger.head
        return chain_pb2.ChainStatus(
            chain=ledger.deployment.chain,
            contract=ledger.deployment.contract,
            height=head.height,
            block=head.block,
            time=head.time,
            sequencer=ledger.genesis.sequencer,
        )

    async def genesis(
        self, _request: chain_pb2.GenesisRequest, _context: Context
    ) -> chain_pb2.GenesisReply:
        """The text of genesis.toml."""
        return chain_pb2.GenesisReply(genesis=write_genesis(self.source.ledger.genesis).encode())

    async def node(self, request: chain_pb2.NodeRequest, _context: Context) -> chain_pb2.NodeReply:
        """A storage node's record."""
        found = await self.source.node(node_id(request.node))
        return chain_pb2.NodeReply(
            height=found.height,
            time=found.time,
            record=b"" if found.record is None else encode(found.record),
        )


def chain_service(source: LedgerPeer) -> Service:
    """The service of whoever has a ledger."""
    servicer = ChainServicer(source)
    handlers: dict[str, Any] = {
        "Submit": grpc.unary_unary_rpc_method_handler(
            servicer.submit,
            request_deserializer=registry_pb2.Envelope.FromString,
            response_serializer=chain_pb2.Inclusion.SerializeToString,
        ),
        "Blocks": grpc.unary_stream_rpc_method_handler(
            servicer.blocks,
            request_deserializer=chain_pb2.BlocksRequest.FromString,
            response_serializer=chain_pb2.BlockMessage.SerializeToString,
        ),
        "Status": grpc.unary_unary_rpc_method_handler(
            servicer.status,
            request_deserializer=chain_pb2.ChainStatusRequest.FromString,
            response_serializer=chain_pb2.ChainStatus.SerializeToString,
        ),
        "Genesis": grpc.unary_unary_rpc_method_handler(
            servicer.genesis,
            request_deserializer=chain_pb2.GenesisRequest.FromString,
            response_serializer=chain_pb2.GenesisReply.SerializeToString,
        ),
        "Node": grpc.unary_unary_rpc_method_handler(
            servicer.node,
            request_deserializer=chain_pb2.NodeRequest.FromString,
            response_serializer=chain_pb2.NodeReply.SerializeToString,
        ),
    }
    methods = {
        "Submit": Method("open"),
        "Blocks": Method("open", endless=True),
        "Status": Method("open"),
        "Genesis": Method("open"),
        "Node": Method("open"),
    }
    return service_of(NAME, handlers, methods)
