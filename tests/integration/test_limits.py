import asyncio
import ssl
from contextlib import AsyncExitStack

import grpc
import pytest

from xdb.core.merkle import replica_root
from xdb.core.wire import to_message
from xdb.errors import InvalidRequestError, OverloadedError, TimeoutExpiredError, XdbError
from xdb.model.storage import Commitment
from xdb.pb import replica_pb2
from xdb.peer.config import PeerConfig
from xdb.peer.failures import restore
from xdb.peer.framing import frame
from xdb.peer.pinning import fetch_certificate, open_channel
from xdb.peer.storage import PULL, PUSH, STATUS
from xdb.rpc.limits import Limits, PlaneLimits
from xdb.testing.clock import FakeClock
from xdb.testing.custody import SealedFile, memory_custody
from xdb.testing.keys import NamedKey
from xdb.testing.registry import START, World
from xdb.testing.serving import calling, served

ALICE, MALLORY = NamedKey("alice"), NamedKey("mallory")
MIB = 1 << 20


@pytest.fixture
def world():
    return World()


@pytest.fixture
def custody(world):
    return memory_custody(world.chain, world.nodes[0], FakeClock(START))


@pytest.fixture
async def alice(world):
    async with calling(ALICE, world.chain.deployment, FakeClock(START)) as peers:
        yield peers


@pytest.fixture
async def mallory(world):
    config = PeerConfig(bulk_calls=1000)
    async with calling(MALLORY, world.chain.deployment, FakeClock(START), config) as peers:
        yield peers


def sealed(world, owner, title="report"):
    return SealedFile(world.chain.deployment, owner, title, b"data" * 1000)


def header(file):
    commitment = file.commitments(1)[0]
    return replica_pb2.PushRequest(
        header=replica_pb2.PushHeader(
            slot=to_message(file.ref(1), replica_pb2.SlotRef),
            length=commitment.length,
            root=commitment.root,
        )
    ).SerializeToString()


async def push(peer, file):
    await peer.push(file.ref(1), 0, file.commitments(1)[0], file.replicas(1)[0])


class Attacker:
    """Calls that are begun, signed, and then left alone."""

    def __init__(self, peers, node):
        self.party = peers.peer(node).party
        self.node = node
        self.channels = []
        self.calls = []

    async def connect(self):
        shown = await fetch_certificate("node", self.node.endpoint.address, 5.0)
        self.channels.append(open_channel(self.node.endpoint.address, shown))
        return self.channels[-1]

    def idle(self, channel, first=None, *, say=None):
        call = channel.stream_unary(PUSH)(metadata=self.party.sign(PUSH, first or b""))
        self.calls.append(asyncio.ensure_future(self._outcome(call, say)))
        return call

    async def _outcome(self, call, say):
        try:
            if say is not None:
                await call.write(say)
            await call
        except grpc.aio.AioRpcError as error:
            return restore(error)
        return None

    async def close(self):
        for channel in self.channels:
            await channel.close()
        await asyncio.gather(*self.calls, return_exceptions=True)


async def test_idle_streams_and_silent_connections_do_not_stop_others(
    world, custody, alice, mallory
):
    limits = Limits(silence=2.0, handshake=2.0)
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(served(custody, limits=limits))
        host, port = node.endpoint.address.split(":")
        silent = [await asyncio.open_connection(host, int(port)) for _ in range(500)]
        attacker = Attacker(mallory, node)
        stack.push_async_callback(attacker.close)
        for _ in range(3):
            channel = await attacker.connect()
            for _ in range(20):
                attacker.idle(channel)
        good = alice.peer(node)
        assert (await good.status()).accepts
        await push(good, sealed(world, ALICE))
        # what is idle is ended by the server, and so are the silent connections
        outcomes = await asyncio.gather(*attacker.calls)
        assert all(isinstance(outcome, TimeoutExpiredError) for outcome in outcomes)
        for reader, writer in silent:
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
        await push(good, sealed(world, ALICE, "later"))


async def test_one_caller_gets_no_more_than_its_share(world, custody, alice, mallory):
    """An owner the node serves, who sends headers and then nothing."""
    limits = Limits(silence=2.0, bulk=PlaneLimits(8, 4, 16 * MIB, 8 * MIB))
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(served(custody, limits=limits))
        attacker = Attacker(mallory, node)
        stack.push_async_callback(attacker.close)
        for stream in range(3):
            channel = await attacker.connect()
            for number in range(20):
                first = header(sealed(world, MALLORY, f"{stream} {number}"))
                attacker.idle(channel, first, say=first)
        refused = {type(await call) for call in asyncio.as_completed(attacker.calls)}
        assert refused == {OverloadedError, TimeoutExpiredError}
        channel = await attacker.connect()
        for number in range(4):
            first = header(sealed(world, MALLORY, f"again {number}"))
            call = attacker.idle(channel, first, say=first)
            assert await call.initial_metadata()  # it is inside and waits
        await push(alice.peer(node), sealed(world, ALICE))


async def test_bulk_calls_do_not_stop_control_calls(world, custody, alice, mallory):
    limits = Limits(bulk=PlaneLimits(2, 2, 16 * MIB, 8 * MIB))
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(served(custody, limits=limits))
        attacker = Attacker(mallory, node)
        stack.push_async_callback(attacker.close)
        channel = await attacker.connect()
        for number in range(2):
            first = header(sealed(world, MALLORY, f"{number}"))
            assert await attacker.idle(channel, first, say=first).initial_metadata()
        file = sealed(world, ALICE)
        with pytest.raises(OverloadedError, match="try again later"):
            await push(alice.peer(node), file)
        assert (await alice.peer(node).status()).accepts


async def test_one_address_gets_no_more_than_its_share(custody, mallory):
    limits = Limits(calls_per_source=5)
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(served(custody, limits=limits))
        attacker = Attacker(mallory, node)
        stack.push_async_callback(attacker.close)
        channel = await attacker.connect()
        for _ in range(6):
            attacker.idle(channel)
        outcome = await next(asyncio.as_completed(attacker.calls))
        assert isinstance(outcome, OverloadedError)
        assert "your address" in str(outcome)


async def test_a_single_request_that_never_comes_is_not_waited_for(custody, alice):
    async with served(custody, limits=Limits(silence=0.5)) as node:
        party = alice.peer(node).party
        async with party.connections.use("node", node.endpoint) as channel:
            call = channel.stream_unary(STATUS)(metadata=party.sign(STATUS, b""))
            assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            assert "no message came within 0.5 s" in await call.details()


async def test_a_push_that_stalls_leaves_nothing(world, custody, alice):
    file = sealed(world, ALICE)
    async with served(custody, limits=Limits(silence=0.5)) as node:
        party = alice.peer(node).party
        async with party.connections.use("node", node.endpoint) as channel:
            first = header(file)
            call = channel.stream_unary(PUSH)(metadata=party.sign(PUSH, first))
            await call.write(first)
            await call.write(frame(2, b"some of it"))
            assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await push(alice.peer(node), file)
    assert custody.store.commitment(file.key(1, 0)) == file.commitments(1)[0]


async def test_a_slow_drip_ends(world, custody, alice):
    """Messages that come often enough, but bring the replica nowhere."""
    file = sealed(world, ALICE)
    async with served(custody, limits=Limits(silence=5.0, longest=0.5, pace=1 << 30)) as node:
        party = alice.peer(node).party
        async with party.connections.use("node", node.endpoint) as channel:
            first = header(file)
            call = channel.stream_unary(PUSH)(metadata=party.sign(PUSH, first))
            await call.write(first)

            async def drip():
                while True:
                    await call.write(frame(2, b""))

            with pytest.raises((grpc.aio.AioRpcError, asyncio.InvalidStateError)):
                await drip()
            # who is still sending when a call ends may not learn why
            ends = {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.INTERNAL}
            assert await call.code() in ends
        await alice.peer(node).status()
    assert custody.store.commitment(file.key(1, 0)) is None


async def test_a_reader_who_takes_nothing_is_left(custody, world, alice, mallory):
    size = 64 * MIB
    data = bytes(size)
    file, small = sealed(world, MALLORY), sealed(world, ALICE)
    commitment = Commitment(size, replica_root(data, 1024))
    limits = Limits(silence=0.5, bulk=PlaneLimits(1, 1, 128 * MIB, 128 * MIB))
    async with served(custody, limits=limits) as node:
        lazy, good = mallory.peer(node), alice.peer(node)
        await lazy.push(file.ref(1), 0, commitment, data)
        await push(good, small)
        request = replica_pb2.PullRequest(file=file.id, slot=1).SerializeToString()
        async with lazy.party.connections.use("node", node.endpoint) as channel:
            call = channel.unary_stream(PULL)(request, metadata=lazy.party.sign(PULL, request))
            assert len(await call.read()) > MIB
            refused = 0
            while True:
                try:
                    await good.pull(small.key(1, 0))
                except OverloadedError:
                    refused += 1
                else:
                    break
            assert refused
            call.cancel()


async def test_memory_is_bounded(world, custody, alice, mallory):
    """Two replicas do not fit at once; the second waits, and is refused when it waited long."""
    limits = Limits(patience=0.2, bulk=PlaneLimits(8, 8, 5000, 4500))
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(served(custody, limits=limits))
        attacker = Attacker(mallory, node)
        stack.push_async_callback(attacker.close)
        channel = await attacker.connect()
        first = header(sealed(world, MALLORY))
        call = attacker.idle(channel, first, say=first)
        assert await call.initial_metadata()
        with pytest.raises(OverloadedError, match="no memory for 4016 bytes"):
            await push(alice.peer(node), sealed(world, ALICE))
        call.cancel()
        await push(alice.peer(node), sealed(world, ALICE))


async def test_a_decompression_bomb_is_refused(custody, alice):
    async with served(custody) as node:
        shown = await fetch_certificate("node", node.endpoint.address, 5.0)
        party = alice.peer(node).party
        channel = grpc.aio.secure_channel(
            node.endpoint.address,
            grpc.ssl_channel_credentials(ssl.DER_cert_to_PEM_cert(shown).encode()),
            options=(("grpc.ssl_target_name_override", "xdb-node"),),
            compression=grpc.Compression.Gzip,
        )
        bomb = frame(2, bytes(64 * MIB))
        async with channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary(PUSH)(bomb, metadata=party.sign(PUSH, bomb), timeout=30)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert "gzip" in caught.value.details()
        assert (await alice.peer(node).status()).accepts


async def test_oversized_metadata(custody, alice):
    async with served(custody) as node:
        party = alice.peer(node).party
        async with party.connections.use("node", node.endpoint) as channel:
            metadata = (*party.sign(STATUS, b""), ("filler", "x" * 20_000))
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary(STATUS)(b"", metadata=metadata, timeout=10)
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_connection_carries_a_bounded_number_of_calls(custody, alice, mallory):
    limits = Limits(streams=2, silence=0.3)
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(served(custody, limits=limits))
        attacker = Attacker(mallory, node)
        stack.push_async_callback(attacker.close)
        channel = await attacker.connect()
        for _ in range(6):
            attacker.idle(channel)
        # they wait in the attacker's own connection; elsewhere all is well
        assert (await alice.peer(node).status()).accepts
        for outcome in await asyncio.gather(*attacker.calls):
            assert isinstance(outcome, XdbError)


async def test_too_much_for_one_caller_is_refused_at_once(world, custody, alice):
    limits = Limits(bulk=PlaneLimits(8, 8, 5000, 1000))
    async with served(custody, limits=limits) as node:
        with pytest.raises(InvalidRequestError, match="1000 are the most"):
            await push(alice.peer(node), sealed(world, ALICE))
