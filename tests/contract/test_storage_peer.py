"""What every way to a storage node promises."""

from dataclasses import replace

import pytest

from xdb.core.keyring import namespace_tag
from xdb.core.merkle import leaf_count
from xdb.core.probing import check_leaf
from xdb.errors import (
    AuthError,
    ConflictError,
    ExpiredError,
    IntegrityError,
    InvalidRequestError,
    MissingPiecesError,
    NotFoundError,
    UnavailableError,
)
from xdb.model.calls import Publish
from xdb.model.registry import Coding, Redundancy
from xdb.model.storage import Damage
from xdb.peer.connections import Connections
from xdb.peer.requests import RequestSigner
from xdb.peer.storage import GrpcStoragePeers
from xdb.testing.custody import SealedFile
from xdb.testing.entropy import SeededEntropy
from xdb.testing.keys import NamedKey
from xdb.testing.network import START, network
from xdb.testing.serving import served
from xdb.testing.simulation.network import SimulatedNetwork, simulated_certificate

DAY = 86400
ONE_COPY = Redundancy(Coding.COPIES, 1, 1)


class Local:
    """Calls in the same process."""

    def __init__(self, world, member):
        self.world, self.member = world, member

    def peer(self, caller):
        record = self.world.index.node(self.member.node).record
        return self.world.peers(caller).peer(record)

    async def stop(self):
        self.member.up = False

    async def close(self):
        pass


class Remote:
    """Calls over gRPC."""

    def __init__(self, world, member):
        self.world, self.member = world, member
        self.connections = self.connect()
        self.serving = self.serve()
        self.record = None

    def connect(self):
        return Connections()

    def serve(self):
        return served(self.member.custody)

    async def start(self):
        self.record = await self.serving.__aenter__()
        return self

    def peer(self, caller):
        world = self.world
        entropy = SeededEntropy(caller.name)
        signer = RequestSigner(caller, world.chain.deployment, world.clock, entropy)
        return GrpcStoragePeers(signer, self.connections).peer(self.record)

    async def stop(self):
        await self.serving.__aexit__(None, None, None)
        self.serving = None

    async def close(self):
        await self.connections.close()
        if self.serving is not None:
            await self.stop()


class Simulated(Remote):
    """Calls over a simulated network."""

    def connect(self):
        self.network = SimulatedNetwork(self.world.clock, SeededEntropy("network"))
        return self.network.connections("owner")

    def serve(self):
        return served(
            self.member.custody,
            listen="node-0.example:7000",
            certificate=simulated_certificate("node-0"),
            by=self.network.serve,
        )

    async def close(self):
        await super().close()
        assert self.network.calls == 0
        await self.network.close()


@pytest.fixture
async def world():
    async with network(1) as made:
        yield made


@pytest.fixture(params=["local", "grpc", "simulated"])
async def way(request, world):
    (member,) = world.members.values()
    match request.param:
        case "local":
            made = Local(world, member)
        case "grpc":
            made = await Remote(world, member).start()
        case "simulated":
            made = await Simulated(world, member).start()
    yield made
    await made.close()


@pytest.fixture
def owner(world):
    return world.owner


@pytest.fixture
def peer(way, owner):
    return way.peer(owner)


@pytest.fixture
def file(world, owner):
    return SealedFile(world.chain.deployment, owner, "report", bytes(range(256)) * 700, ONE_COPY)


async def push_all(peer, file):
    commitments = file.commitments(1)
    for piece, replica in enumerate(file.replicas(1)):
        await peer.push(file.ref(1), piece, commitments[piece], replica)


async def publish(world, peer, file):
    await push_all(peer, file)
    expiry = world.chain.time + DAY
    holder = await peer.accept(file.ref(1), file.manifest, expiry, 1)
    new = replace(file.new((holder,), expiry), namespace=namespace_tag(file.owner, "ns"))
    world.chain.call(file.owner.address, Publish((new,)))
    await world.caught_up()


async def test_what_goes_in_comes_out(peer, file):
    await push_all(peer, file)
    for piece, replica in enumerate(file.replicas(1)):
        assert await peer.pull(file.key(1, piece)) == replica
        assert await peer.pull(file.key(1, piece), 100) == replica[100:]
        assert await peer.pull(file.key(1, piece), 100, 50) == replica[100:150]


async def test_any_buffer_is_taken(peer, file):
    (commitment, *_), (replica, *_) = file.commitments(1), file.replicas(1)
    await peer.push(file.ref(1), 0, commitment, memoryview(bytearray(replica)))
    assert await peer.pull(file.key(1, 0)) == replica


async def test_everything_may_be_repeated(peer, file):
    for _ in range(2):
        await push_all(peer, file)
    first = await peer.accept(file.ref(1), file.manifest, START + DAY, 1)
    assert await peer.accept(file.ref(1), file.manifest, START + DAY, 1) == first
    for _ in range(2):
        assert await peer.pull_manifest(file.id, 1) == file.manifest


async def test_a_receipt_publishes(world, peer, file):
    await publish(world, peer, file)
    assert world.index.file(file.id).record.holders == tuple(world.members)


async def test_no_receipt_for_less_than_everything(peer, file):
    await peer.push(file.ref(1), 1, file.commitments(1)[1], file.replicas(1)[1])
    with pytest.raises(MissingPiecesError) as caught:
        await peer.accept(file.ref(1), file.manifest, START + DAY, 1)
    assert caught.value.pieces == (0, 2)


async def test_wrong_bytes_are_not_stored(peer, file):
    commitment = file.commitments(1)[0]
    with pytest.raises(IntegrityError):
        await peer.push(file.ref(1), 0, commitment, bytes(commitment.length))
    with pytest.raises(NotFoundError):
        await peer.pull(file.key(1, 0))


async def test_stored_bytes_are_not_replaced(peer, file):
    await push_all(peer, file)
    other = replace(file, data=bytes(len(file.data)))
    with pytest.raises(ConflictError):
        await push_all(peer, other)
    assert await peer.pull(file.key(1, 0)) == file.replicas(1)[0]


async def test_others_neither_store_nor_read(world, way, peer, file):
    await publish(world, peer, file)
    stranger = way.peer(NamedKey("stranger"))
    for attempt in (
        lambda: push_all(stranger, file),
        lambda: stranger.pull(file.key(1, 0)),
        lambda: stranger.pull_manifest(file.id, 1),
        lambda: stranger.accept(file.ref(1), file.manifest, START + DAY, 1),
    ):
        with pytest.raises(AuthError):
            await attempt()


async def test_what_is_gone_is_not_read(world, peer, file):
    await publish(world, peer, file)
    world.chain.advance(DAY + world.chain.parameters.retention)
    await world.caught_up()
    with pytest.raises(ExpiredError):
        await peer.pull(file.key(1, 0))


async def test_what_is_not_there(peer, file):
    with pytest.raises(NotFoundError):
        await peer.pull(file.key(1, 0))
    with pytest.raises(NotFoundError):
        await peer.pull_manifest(file.id, 1)


async def test_status(world, peer):
    status = await peer.status()
    assert status.node in world.members
    assert status.accepts


async def test_every_leaf_leads_to_the_root_of_the_receipt(world, peer, file):
    await publish(world, peer, file)
    (holding,) = world.index.file(file.id).holdings
    for piece, replica in enumerate(file.replicas(1)):
        for leaf in range(0, leaf_count(len(replica), file.leaf_size), 7):
            shown = await peer.leaf(file.key(1, piece), leaf)
            start = leaf * file.leaf_size
            assert shown.data == replica[start : start + file.leaf_size]
            check_leaf(shown, file.leaf_size, holding, file.key(1, piece), leaf)


async def test_no_leaf_to_strangers_or_of_nothing(world, way, peer, file):
    with pytest.raises(NotFoundError):
        await peer.leaf(file.key(1, 0), 0)
    await publish(world, peer, file)
    with pytest.raises(AuthError):
        await way.peer(NamedKey("stranger")).leaf(file.key(1, 0), 0)
    with pytest.raises(InvalidRequestError):
        await peer.leaf(file.key(1, 0), 1 << 20)


async def test_damage_is_told_to_its_owner_page_by_page(way, peer, file):
    await push_all(peer, file)
    assert await peer.damaged() == ([], b"")
    keys = [file.key(1, piece) for piece in range(2)]
    for key in keys:
        await way.member.custody.store.mark_damaged(key, "a test says so")
    now, why = way.world.index.head.time, "a test says so"
    listed = [Damage(key.file, key.slot, key.piece, False, now, why) for key in keys]
    assert await peer.damaged() == (listed, b"")
    first, after = await peer.damaged(limit=1)
    assert first == listed[:1]
    assert (await peer.damaged(after))[0] == listed[1:]
    assert (await way.peer(NamedKey("stranger")).damaged())[0] == []
    with pytest.raises(InvalidRequestError):
        await peer.damaged(b"no cursor")


async def test_damage_is_restored_in_place(world, way, peer, file):
    await publish(world, peer, file)
    store, disk = way.member.custody.store, way.member.disk
    for path in disk.files("replicas") + disk.files("manifests"):
        disk.lose(path)
    with pytest.raises(IntegrityError, match="manifest is damaged"):
        await peer.pull_manifest(file.id, 1)
    for piece in range(len(file.slices)):
        with pytest.raises(IntegrityError):
            await peer.pull(file.key(1, piece))
    listed, _ = await peer.damaged()
    assert [each.manifest for each in listed] == [True] + [False] * len(file.slices)
    with pytest.raises(MissingPiecesError):
        await peer.accept(file.ref(1), file.manifest, world.chain.time + DAY, 1)
    await push_all(peer, file)
    await peer.accept(file.ref(1), file.manifest, world.chain.time + DAY, 1)
    assert await peer.damaged() == ([], b"")
    assert await peer.pull_manifest(file.id, 1) == file.manifest
    assert await store.verify(file.key(1, 0))


async def test_a_node_that_is_down(way, peer, file):
    await push_all(peer, file)
    await way.stop()
    with pytest.raises(UnavailableError):
        await peer.status()
    with pytest.raises(UnavailableError):
        await push_all(peer, file)
