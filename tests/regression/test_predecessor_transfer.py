"""Mistakes of PaddleDTX XuperDB in moving slices between owners and nodes."""

import asyncio
from dataclasses import replace

import grpc
import pytest

from xdb.core.authorization import authorize
from xdb.core.wire import to_message
from xdb.errors import (
    AuthError,
    ConflictError,
    IntegrityError,
    MissingPiecesError,
    NotFoundError,
    UnavailableError,
)
from xdb.model.ids import FileId
from xdb.model.storage import ReplicaKey
from xdb.pb import auth_pb2, replica_pb2
from xdb.peer.framing import CHUNK, frame
from xdb.peer.requests import METADATA
from xdb.peer.storage import PULL, PUSH
from xdb.testing.clock import FakeClock
from xdb.testing.custody import SealedFile, memory_custody
from xdb.testing.disk import MemoryDisk
from xdb.testing.entropy import SeededEntropy
from xdb.testing.keys import NamedKey
from xdb.testing.registry import DAY, START, World, nonce
from xdb.testing.serving import calling, served

ALICE, BOB = NamedKey("alice"), NamedKey("bob")


@pytest.fixture
def world():
    return World()


@pytest.fixture
def disk():
    return MemoryDisk()


@pytest.fixture
def custody(world, disk):
    return memory_custody(world.chain, world.nodes[0], FakeClock(START), disk=disk)


@pytest.fixture
async def node(custody):
    async with served(custody) as record:
        yield record


@pytest.fixture
async def alice(world, node):
    async with calling(ALICE, world.chain.deployment, FakeClock(START)) as peers:
        yield peers.peer(node)


@pytest.fixture
async def bob(world, node):
    async with calling(BOB, world.chain.deployment, FakeClock(START)) as peers:
        yield peers.peer(node)


@pytest.fixture
def file(world):
    data = bytes(range(256)) * (3 << 12)
    return SealedFile(world.chain.deployment, ALICE, "report", data, slice_size=4 << 20)


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


# ------------------------------------------------------------------ pushing


async def test_pushing_needs_a_signature(node, alice, file):
    first = header(file)
    async with alice.party.connections.use("node", node.endpoint) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(PUSH)(first, timeout=10)
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_nobody_pushes_into_anothers_file(alice, bob, file):
    await push(alice, file)
    with pytest.raises(AuthError):
        await push(bob, file)
    with pytest.raises(AuthError):
        await push(bob, replace(file, data=b"other"))
    assert await alice.pull(file.key(1, 0)) == file.replicas(1)[0]


async def test_not_even_the_owner_overwrites_what_is_stored(alice, file):
    await push(alice, file)
    with pytest.raises(ConflictError):
        await push(alice, replace(file, data=b"other"))
    assert await alice.pull(file.key(1, 0)) == file.replicas(1)[0]


async def test_a_manifest_is_not_overwritten(alice, file):
    await push(alice, file)
    await alice.accept(file.ref(1), file.manifest, START + DAY, 1)
    other = replace(file, redundancy=replace(file.redundancy, total=3))
    with pytest.raises(ConflictError):
        await alice.accept(file.ref(1), other.manifest, START + DAY, 1)
    assert await alice.pull_manifest(file.id, 1) == file.manifest


async def test_what_arrives_is_checked(alice, custody, file):
    commitment = file.commitments(1)[0]
    with pytest.raises(IntegrityError):
        await alice.push(file.ref(1), 0, commitment, bytes(commitment.length))
    assert custody.store.commitment(file.key(1, 0)) is None


@pytest.mark.parametrize("chunks", [0, 1, 2])
async def test_a_truncated_push_and_its_retry(node, alice, custody, file, chunks):
    """Cut after so many chunks by the sender, or by the network: stored is nothing."""
    first, replica = header(file), file.replicas(1)[0]
    async with alice.party.connections.use("node", node.endpoint) as channel:
        call = channel.stream_unary(PUSH)(metadata=alice.party.sign(PUSH, first))
        await call.write(first)
        for start in range(0, chunks * CHUNK, CHUNK):
            await call.write(frame(2, replica[start : start + CHUNK]))
        await call.done_writing()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.DATA_LOSS
    async with alice.party.connections.use("node", node.endpoint) as channel:
        call = channel.stream_unary(PUSH)(metadata=alice.party.sign(PUSH, first))
        await call.write(first)
        for start in range(0, chunks * CHUNK, CHUNK):
            await call.write(frame(2, replica[start : start + CHUNK]))
        call.cancel()
    assert custody.store.commitment(file.key(1, 0)) is None
    with pytest.raises(MissingPiecesError):
        await alice.accept(file.ref(1), file.manifest, START + DAY, 1)
    with pytest.raises(NotFoundError):
        await alice.pull(file.key(1, 0))
    await push(alice, file)
    assert await alice.pull(file.key(1, 0)) == replica
    assert await alice.accept(file.ref(1), file.manifest, START + DAY, 1)


async def test_success_means_synced(alice, disk, file):
    await push(alice, file)
    await alice.accept(file.ref(1), file.manifest, START + DAY, 1)
    disk.crash(SeededEntropy(7))
    assert await alice.pull(file.key(1, 0)) == file.replicas(1)[0]
    assert await alice.pull_manifest(file.id, 1) == file.manifest


async def test_a_failed_sync_is_no_success(alice, disk, custody, file):
    def fail(operation, _path):
        if operation == "sync":
            raise UnavailableError("input/output error")

    disk.step = fail
    with pytest.raises(UnavailableError):
        await push(alice, file)
    assert custody.store.commitment(file.key(1, 0)) is None


# ------------------------------------------------------------------ pulling


async def test_a_slice_belongs_to_the_file_that_is_authorised(world, alice, bob):
    """Bob may read his own file; naming Alice's slot or piece in its place gives nothing."""
    mine = SealedFile(world.chain.deployment, BOB, "mine", b"mine")
    hers = SealedFile(world.chain.deployment, ALICE, "hers", b"hers")
    await push(bob, mine)
    await push(alice, hers)
    for key in (
        ReplicaKey(hers.id, 1, 0),
        ReplicaKey(hers.id, 2, 0),
        ReplicaKey(mine.id, 2, 0),
        ReplicaKey(mine.id, 1, 1),
        ReplicaKey(FileId(bytes(32)), 1, 0),
    ):
        with pytest.raises((AuthError, NotFoundError)):
            await bob.pull(key)
    for slot, file in ((1, hers), (2, mine)):
        with pytest.raises((AuthError, NotFoundError)):
            await bob.pull_manifest(file.id, slot)


@pytest.mark.parametrize("ahead", [31, 3600, 10 * 365 * DAY])
async def test_a_token_dated_in_the_future_is_not_valid(world, node, alice, file, ahead):
    await push(alice, file)
    request = replica_pb2.PullRequest(file=file.id, slot=1).SerializeToString()
    made = authorize(
        ALICE, PULL, node.node, world.chain.deployment, request, nonce("x"), START + ahead
    )
    token = to_message(made, auth_pb2.Authorization).SerializeToString()
    async with alice.party.connections.use("node", node.endpoint) as channel:
        for _ in range(2):
            call = channel.unary_stream(PULL)(request, metadata=((METADATA, token),), timeout=10)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call.read()
            assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_a_pull_token_is_good_for_one_range_once(node, alice, file):
    await push(alice, file)
    request = replica_pb2.PullRequest(file=file.id, slot=1, length=10).SerializeToString()
    metadata = alice.party.sign(PULL, request)
    other = replica_pb2.PullRequest(file=file.id, slot=1, length=11).SerializeToString()
    async with alice.party.connections.use("node", node.endpoint) as channel:
        assert await channel.unary_stream(PULL)(request, metadata=metadata, timeout=10).read()
        for again in (request, other):
            with pytest.raises(grpc.aio.AioRpcError):
                await channel.unary_stream(PULL)(again, metadata=metadata, timeout=10).read()


async def test_more_failed_pushes_than_the_predecessor_bore(alice, file):
    """More than ten hung its upload for ever."""
    commitment = file.commitments(1)[0]
    bad = bytes(commitment.length)
    outcomes = await asyncio.gather(
        *(alice.push(file.ref(1), 0, commitment, bad) for _ in range(40)), return_exceptions=True
    )
    assert {type(outcome) for outcome in outcomes} == {IntegrityError}
    await push(alice, file)
