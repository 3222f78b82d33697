"""Owners who send more than anybody takes, and requests that were not signed for this."""

import asyncio
from dataclasses import replace
from typing import Any

import grpc

from xdb.core.authorization import Authorization, authorization_digest, authorize
from xdb.core.wire import to_message
from xdb.errors import OverloadedError, XdbError
from xdb.model.calls import CreateNamespace, Publish
from xdb.model.ids import ChainId, Deployment, Nonce, Tag
from xdb.model.refusal import Refusal
from xdb.model.registry import ProofScheme
from xdb.pb import auth_pb2, replica_pb2
from xdb.peer.requests import METADATA
from xdb.peer.storage import ACCEPT, LEAF, STATUS
from xdb.rpc.limits import Limits
from xdb.testing.registry import TWO_COPIES, digest
from xdb.testing.simulation.byzantine.arena import Arena
from xdb.testing.simulation.byzantine.owners.mallory import Mallory, mallory
from xdb.testing.simulation.byzantine.strategy import Plot
from xdb.testing.simulation.nodes import SimulatedStorage
from xdb.testing.simulation.oversight import ViolationError

TOO_LARGE = "too large calls refused"
UNSIGNED = "requests not signed for this refused"
CALLS = 300


async def floods_with_metadata(plot: Plot, arena: Arena) -> None:
    """Labels, batches, manifests and metadata above the limits; more calls than a caller has."""
    async with mallory(plot) as she:
        parameters = plot.world.chain.parameters
        file, nodes = she.file("labels"), she.nodes[:2]
        holders = await she.store(file, nodes)
        new = replace(file.new(holders, she.expiry - 60), label=bytes(parameters.max_label + 1))
        await she.refused_call(TOO_LARGE, Publish((new,)), Refusal.TOO_LARGE)
        many = Publish((replace(new, label=b""),) * (parameters.max_files_per_call + 1))
        await she.refused_call(TOO_LARGE, many, Refusal.TOO_LARGE)
        label = bytes(parameters.max_label + 1)
        space = CreateNamespace(Tag(digest("large")), label, TWO_COPIES, ProofScheme.MERKLE)
        await she.refused_call(TOO_LARGE, space, Refusal.TOO_LARGE)
        await _large_messages(she, nodes[0])
        statuses = [she.peer(nodes[0]).status() for _ in range(CALLS)]
        flood = asyncio.gather(*statuses, return_exceptions=True)
        await arena.upload(1)  # others have their part
        await arena.read_all()
        _count_flood(plot, await flood)


async def _large_messages(she: Mallory, node: SimulatedStorage) -> None:
    file = she.file("large manifest")
    header = replica_pb2.AcceptHeader(
        slot=to_message(file.ref(1), replica_pb2.SlotRef),
        manifest_length=1 << 40,
        manifest=file.manifest_digest,
        expiry=she.expiry,
        version=1,
    )
    message = replica_pb2.AcceptRequest(header=header).SerializeToString()
    code = await _sent(she, node, ACCEPT, message, _signed(she, node, ACCEPT, message))
    _expect(she.plot, TOO_LARGE, code, grpc.StatusCode.INVALID_ARGUMENT)
    large = bytes(Limits().message + 1)
    code = await _sent(she, node, STATUS, large, _signed(she, node, STATUS, large))
    _expect(she.plot, TOO_LARGE, code, grpc.StatusCode.RESOURCE_EXHAUSTED)


def _count_flood(plot: Plot, found: list[Any]) -> None:
    for each in found:
        if isinstance(each, XdbError) and not isinstance(each, OverloadedError):
            raise ViolationError(f"a flood was answered with {type(each).__name__}: {each}")
        refused = isinstance(each, OverloadedError)
        plot.deeds["calls of a flood refused" if refused else "calls of a flood answered"] += 1


async def signs_for_something_else(plot: Plot, _arena: Arena) -> None:
    """Requests for another node, chain, method or message; replayed, past, and to come."""
    async with mallory(plot) as she:
        node, other = she.nodes[:2]
        data = replica_pb2.StatusRequest().SerializeToString()
        good = _signed(she, node, STATUS, data)
        await _accepted(she, node, data, good)
        await _denied(she, node, STATUS, data, good)  # once more
        for wrong in _misdirected(she, node, other, data):
            await _denied(she, node, STATUS, data, wrong)
        for ahead in (-900, -331, 31, 900):
            await _denied(she, node, STATUS, data, _signed(she, node, STATUS, data, ahead))
        await _denied(she, node, STATUS, data, _long_lived(she, node, data))
        await _denied(she, node, STATUS, data, b"nothing that parses")
        leaf = replica_pb2.LeafRequest(file=bytes(32), slot=1).SerializeToString()
        signed = _signed(she, node, LEAF, leaf)
        changed = replica_pb2.LeafRequest(file=bytes(32), slot=2).SerializeToString()
        await _denied(she, node, LEAF, changed, signed)


def _misdirected(
    she: Mallory, node: SimulatedStorage, other: SimulatedStorage, data: bytes
) -> list[bytes]:
    deployment = she.signer.deployment
    elsewhere = Deployment(ChainId(digest("another chain")), deployment.contract)
    return [
        _signed(she, other, STATUS, data),
        _signed(she, node, LEAF, data),
        _signed(she, node, STATUS, data, deployment=elsewhere),
    ]


def _authorized(  # noqa: PLR0913, PLR0917  # what a signature is over
    she: Mallory,
    node: SimulatedStorage,
    method: str,
    data: bytes,
    ahead: float = 0.0,
    deployment: Deployment | None = None,
) -> Authorization:
    nonce = Nonce(she.plot.entropy.draw(16))
    now = she.plot.world.clock.wall() + ahead
    where = deployment or she.signer.deployment
    return authorize(she.key, method, node.key.node, where, data, nonce, now)


def _signed(  # noqa: PLR0913  # what a signature is over
    she: Mallory,
    node: SimulatedStorage,
    method: str,
    data: bytes,
    ahead: float = 0.0,
    *,
    deployment: Deployment | None = None,
) -> bytes:
    found = _authorized(she, node, method, data, ahead, deployment)
    return to_message(found, auth_pb2.Authorization).SerializeToString()


def _long_lived(she: Mallory, node: SimulatedStorage, data: bytes) -> bytes:
    found = _authorized(she, node, STATUS, data)
    longer = replace(found, expires=found.expires + 86400)
    signature = she.key.sign(authorization_digest(longer))
    signed = replace(longer, signature=signature)
    return to_message(signed, auth_pb2.Authorization).SerializeToString()


async def _accepted(she: Mallory, node: SimulatedStorage, data: bytes, metadata: bytes) -> None:
    _expect(she.plot, "requests in order", await _sent(she, node, STATUS, data, metadata), None)


async def _denied(
    she: Mallory, node: SimulatedStorage, method: str, data: bytes, metadata: bytes
) -> None:
    code = await _sent(she, node, method, data, metadata)
    denied = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
    _expect(she.plot, UNSIGNED, code, *denied)


def _expect(
    plot: Plot, deed: str, code: grpc.StatusCode | None, *expected: grpc.StatusCode | None
) -> None:
    if code not in expected:
        raise ViolationError(f"{deed}: the answer was {code}")
    plot.deeds[deed] += 1


async def _sent(
    she: Mallory, node: SimulatedStorage, method: str, data: bytes, metadata: bytes
) -> grpc.StatusCode | None:
    """The status of a call; None when it was answered."""
    endpoint = she.record(node).endpoint
    async with she.connections.use(node.name, endpoint) as channel:
        begin: Any = channel.stream_unary(method) if method == ACCEPT else None
        try:
            if begin is not None:
                call = begin(timeout=60.0, metadata=((METADATA, metadata),))
                await call.write(data)
                await call.done_writing()
                await call
            else:
                unary: Any = channel.unary_unary(method)
                await unary(data, timeout=60.0, metadata=((METADATA, metadata),))
        except grpc.aio.AioRpcError as error:
            return error.code()
    return None
