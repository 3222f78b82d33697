import asyncio
from contextlib import aclosing

import grpc
import pytest

from xdb.core import merkle
from xdb.core.merkle import climb, holding_root, leaf_hash, replica_leaf
from xdb.core.slicing import LARGEST_SLICE
from xdb.core.wire import to_message
from xdb.errors import (
    AuthError,
    ConflictError,
    IntegrityError,
    InvalidRequestError,
    MissingPiecesError,
    NotFoundError,
    StorageFullError,
    UnavailableError,
)
from xdb.model.calls import Publish
from xdb.model.storage import Commitment
from xdb.pb import replica_pb2
from xdb.peer.framing import frame
from xdb.peer.storage import ACCEPT, PULL, PUSH
from xdb.store.room import RoomConfig
from xdb.testing.clock import FakeClock
from xdb.testing.custody import SealedFile, memory_custody
from xdb.testing.keys import NamedKey
from xdb.testing.registry import DAY, START, World
from xdb.testing.serving import calling, served

ALICE = NamedKey("alice")
LEAF = "/xdb.v1.ProbeService/Leaf"
DAMAGED = "/xdb.v1.ProbeService/Damaged"


@pytest.fixture
def world():
    return World()


@pytest.fixture
def file(world):
    return SealedFile(world.chain.deployment, ALICE, "report", bytes(range(256)) * 700)


@pytest.fixture
def large(world):
    """One slice of 4 MiB, full."""
    size = (4 << 20) - 16
    return SealedFile(world.chain.deployment, ALICE, "large", b"x" * size, slice_size=4 << 20)


@pytest.fixture
def custody(world):
    return memory_custody(world.chain, world.nodes[0], FakeClock(START))


@pytest.fixture
async def node(custody):
    async with served(custody) as record:
        yield record


@pytest.fixture
async def alice(world):
    async with calling(ALICE, world.chain.deployment, FakeClock(START)) as peers:
        yield peers


async def push_all(peer, file, slot=1):
    commitments = file.commitments(slot)
    for piece, replica in enumerate(file.replicas(slot)):
        await peer.push(file.ref(slot), piece, commitments[piece], replica)


async def test_what_is_pushed_is_accepted_published_and_pulled(world, file):
    clock = FakeClock(START)
    holders = []
    async with calling(ALICE, world.chain.deployment, clock) as peers:
        for slot in (1, 2):
            custody = memory_custody(world.chain, world.nodes[slot - 1], clock)
            async with served(custody) as record:
                peer = peers.peer(record)
                await push_all(peer, file, slot)
                holders.append(await peer.accept(file.ref(slot), file.manifest, START + DAY, 1))
                for piece, replica in enumerate(file.replicas(slot)):
                    assert await peer.pull(file.key(slot, piece)) == replica
                assert await peer.pull_manifest(file.id, slot) == file.manifest
    world.call(ALICE, Publish((file.new(tuple(holders), START + DAY),)))


async def test_a_large_replica_travels_in_parts(node, alice, large):
    peer = alice.peer(node)
    (replica,) = large.replicas(1)
    (commitment,) = large.commitments(1)
    await peer.push(large.ref(1), 0, commitment, memoryview(bytearray(replica)))
    assert await peer.pull(large.key(1, 0)) == replica
    assert await peer.pull(large.key(1, 0), 1_000_001, 2_000_003) == replica[1_000_001:3_000_004]
    assert await peer.pull(large.key(1, 0), len(replica) - 1, 1) == replica[-1:]


async def test_a_replica_of_the_largest_size(node, alice, custody, file):
    replica = bytes(LARGEST_SLICE)
    commitment = Commitment(len(replica), merkle.replica_root(replica, 1024))
    await alice.peer(node).push(file.ref(1), 0, commitment, replica)
    assert custody.store.commitment(file.key(1, 0)) == commitment


async def test_what_is_here_is_not_sent_again(node, alice, custody, file):
    peer = alice.peer(node)
    await push_all(peer, file)
    before = custody.store.room.used
    # not even the bytes matter any more: the node says so before it asks for them
    await peer.push(file.ref(1), 0, file.commitments(1)[0], bytes(10))
    assert custody.store.room.used == before


async def test_many_pushes_at_once(node, alice, world, custody):
    files = [
        SealedFile(world.chain.deployment, ALICE, f"file {n}", bytes([n]) * 1000) for n in range(60)
    ]
    peer = alice.peer(node)
    async with asyncio.TaskGroup() as group:
        for one in files:
            group.create_task(push_all(peer, one))
    assert all(custody.store.commitment(one.key(1, 0)) for one in files)


async def test_a_push_the_owner_may_not_make(world, node, file):
    bob = NamedKey("bob")
    async with calling(bob, world.chain.deployment, FakeClock(START)) as peers:
        with pytest.raises(AuthError, match=r"node .* only the owner may store it"):
            await push_all(peers.peer(node), file)
        with pytest.raises(NotFoundError):
            await peers.peer(node).pull(file.key(1, 0))


async def test_refusals_arrive_as_what_they_are(node, alice, file, large):
    """Even of large replicas, whose refusal could drown in the sending."""
    peer = alice.peer(node)
    await push_all(peer, file)
    (replica,) = large.replicas(1)
    (commitment,) = large.commitments(1)
    bad = Commitment(commitment.length, file.commitments(1)[0].root)
    await push_all(peer, large)
    for _ in range(20):
        with pytest.raises(ConflictError):
            await peer.push(large.ref(1), 0, bad, replica)


async def test_bytes_that_are_not_what_was_announced(node, alice, custody, large):
    peer = alice.peer(node)
    (commitment,) = large.commitments(1)
    with pytest.raises(IntegrityError, match="do not have the announced root"):
        await peer.push(large.ref(1), 0, commitment, bytes(commitment.length))
    with pytest.raises(IntegrityError, match="cut short"):
        await peer.push(large.ref(1), 0, commitment, bytes(commitment.length - 1))
    with pytest.raises((IntegrityError, UnavailableError)):
        await peer.push(large.ref(1), 0, commitment, bytes(commitment.length + 1))
    assert custody.store.commitment(large.key(1, 0)) is None


async def test_missing_pieces_come_back_as_numbers(node, alice, file):
    peer = alice.peer(node)
    await peer.push(file.ref(1), 1, file.commitments(1)[1], file.replicas(1)[1])
    with pytest.raises(MissingPiecesError, match="lacks 2 of 3") as caught:
        await peer.accept(file.ref(1), file.manifest, START + DAY, 1)
    assert caught.value.pieces == (0, 2)


async def test_a_full_node(world, alice, file):
    custody = memory_custody(
        world.chain, world.nodes[0], FakeClock(START), room=RoomConfig(capacity=1000)
    )
    async with served(custody) as record:
        with pytest.raises(StorageFullError, match="choose another node"):
            await push_all(alice.peer(record), file)


async def test_status(world, node, alice):
    status = await alice.peer(node).status()
    assert status.node == world.nodes[0].node
    assert status.accepts
    assert status.clock == START


@pytest.mark.parametrize(
    ("offset", "length"), [(0, 10**6), (10**6, 0), (10**6, 1), (2**64 - 1, 2**64 - 1)]
)
async def test_ranges_beyond_the_end(node, alice, file, offset, length):
    peer = alice.peer(node)
    await push_all(peer, file)
    with pytest.raises(InvalidRequestError, match="ask for less"):
        await peer.pull(file.key(1, 0), offset, length)


# ------------------------------------------------------------------ malformed requests


async def send(peers, node, method, first, *rest):
    """What a program other than ours might send."""
    party = peers.peer(node).party
    return await party.send(method, first, rest, replica_pb2.PushReply, 10.0)


def header(sealed, **changes):
    commitment = sealed.commitments(1)[0]
    made = replica_pb2.PushHeader(
        slot=to_message(sealed.ref(1), replica_pb2.SlotRef),
        piece=0,
        length=commitment.length,
        root=commitment.root,
    )
    for name, value in changes.items():
        if name in {"file", "owner", "nonce"}:
            setattr(made.slot, name, value)
        else:
            setattr(made, name, value)
    return replica_pb2.PushRequest(header=made)


@pytest.mark.parametrize(
    "changes",
    [
        {"file": b""},
        {"file": b"x" * 31},
        {"file": b"../../../../etc/passwd"},
        {"owner": b"x" * 21},
        {"nonce": b""},
        {"root": b"x" * 33},
        {"root": b""},
        {"length": 0},
        {"length": 2**64 - 1},
        {"piece": 2**64 - 1},
    ],
)
async def test_malformed_headers(node, alice, file, changes):
    with pytest.raises(InvalidRequestError):
        await send(alice, node, PUSH, header(file, **changes))


async def test_data_before_the_header(node, alice):
    with pytest.raises(InvalidRequestError, match="header"):
        await send(alice, node, PUSH, replica_pb2.PushRequest(data=b"data"))


async def test_an_empty_message(node, alice):
    with pytest.raises(InvalidRequestError, match="header"):
        await send(alice, node, PUSH, replica_pb2.PushRequest())
    with pytest.raises(InvalidRequestError, match="header"):
        await send(alice, node, ACCEPT, replica_pb2.AcceptRequest())


async def test_a_second_header(node, alice, file):
    with pytest.raises(IntegrityError, match="cut short"):
        await send(alice, node, PUSH, header(file), header(file).SerializeToString())


async def test_an_oversized_manifest(node, alice, file):
    request = replica_pb2.AcceptRequest(
        header=replica_pb2.AcceptHeader(
            slot=to_message(file.ref(1), replica_pb2.SlotRef),
            manifest_length=64 << 20,
            manifest=file.manifest_digest,
            expiry=START + 1,
            version=1,
        )
    )
    with pytest.raises(InvalidRequestError, match="larger slices"):
        await send(alice, node, ACCEPT, request)


async def test_an_oversized_message(node, alice, file):
    with pytest.raises(InvalidRequestError, match="larger than max"):
        await send(alice, node, PUSH, header(file), frame(2, bytes(5 << 20)))


async def test_an_unreadable_message(node, alice):
    party = alice.peer(node).party
    data = b"\xff\xff\xff"
    with pytest.raises(InvalidRequestError, match="does not follow the protocol"):
        async with party.channel() as channel:
            await channel.unary_unary(PULL)(data, metadata=party.sign(PULL, data), timeout=10)


async def test_an_unknown_method(node, alice):
    party = alice.peer(node).party
    async with party.connections.use("it", node.endpoint) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/xdb.v1.ReplicaService/Steal")(b"", timeout=10)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


# ------------------------------------------------------------------ probes


async def test_a_leaf_leads_to_the_holding_root(node, alice, file):
    peer = alice.peer(node)
    await push_all(peer, file)
    request = replica_pb2.LeafRequest(file=file.id, slot=1, piece=1, leaf=7)
    reply = await peer.party.ask(LEAF, request, replica_pb2.LeafReply, 10.0)
    replica = climb(leaf_hash(reply.data), 7, reply.replica_path)
    place = replica_leaf(Commitment(reply.replica_length, replica))
    assert climb(place, 1, reply.holding_path) == holding_root(file.commitments(1))
    request.leaf = 64
    with pytest.raises(InvalidRequestError, match="there is no leaf 64"):
        await peer.party.ask(LEAF, request, replica_pb2.LeafReply, 10.0)


async def test_damage_is_listed_page_by_page(node, alice, custody, file):
    peer = alice.peer(node)
    await push_all(peer, file)
    for piece in (0, 2):
        await custody.store.mark_damaged(file.key(1, piece), "test")
    first = replica_pb2.DamagedRequest(limit=1)
    page = await peer.party.ask(DAMAGED, first, replica_pb2.DamagedReply, 10.0)
    assert [item.piece for item in page.items] == [0]
    rest = replica_pb2.DamagedRequest(limit=1, after=page.next)
    page = await peer.party.ask(DAMAGED, rest, replica_pb2.DamagedReply, 10.0)
    assert [item.piece for item in page.items] == [2]
    last = replica_pb2.DamagedRequest(after=page.next)
    if page.next:
        page = await peer.party.ask(DAMAGED, last, replica_pb2.DamagedReply, 10.0)
        assert (list(page.items), page.next) == ([], b"")


async def test_damage_of_others_is_not_listed(world, node, alice, custody, file):
    await push_all(alice.peer(node), file)
    await custody.store.mark_damaged(file.key(1, 0), "test")
    async with calling(NamedKey("bob"), world.chain.deployment, FakeClock(START)) as peers:
        party = peers.peer(node).party
        page = await party.ask(
            DAMAGED, replica_pb2.DamagedRequest(), replica_pb2.DamagedReply, 10.0
        )
    assert not page.items


async def test_a_reader_who_leaves_frees_what_he_held(node, alice, large):
    peer = alice.peer(node)
    await push_all(peer, large)
    request = replica_pb2.PullRequest(file=large.id, slot=1)
    async with aclosing(peer.party.receive(PULL, request, 10.0)) as messages:
        async for _ in messages:
            break
    assert await peer.pull(large.key(1, 0)) == large.replicas(1)[0]
