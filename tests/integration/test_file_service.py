"""An owner node and storage nodes over real gRPC: files up, down, and everything between."""

import asyncio
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from xdb.client import Client, FileStatus, Health, Stage, copies
from xdb.errors import (
    AuthError,
    ConflictError,
    ExpiredError,
    InvalidRequestError,
    NotFoundError,
    PlacementError,
    XdbError,
)
from xdb.index.paging import MOST
from xdb.pb import owner_pb2
from xdb.peer.calls import Party
from xdb.peer.connections import Connections
from xdb.peer.framing import frame
from xdb.peer.requests import RequestSigner
from xdb.testing.entropy import SeededEntropy
from xdb.testing.keys import NamedKey
from xdb.testing.network import START, network
from xdb.testing.owner import SLICE
from xdb.testing.owner_serving import owner_served

BODY = SLICE - 16
DATA = bytes(range(256)) * 1000 + bytes(300)  # four slices, zeros at the end
FRIEND, STRANGER = NamedKey("friend"), NamedKey("stranger")


@pytest.fixture
async def net():
    async with network() as made:
        yield made


@pytest.fixture
async def served(net):
    async with owner_served(net, clients=frozenset({FRIEND.address})) as made:
        yield made


def client_of(served, key):
    clock = served.bench.network.clock
    return Client(served.context, key, clock=clock, entropy=SeededEntropy(key.name))


@pytest.fixture
async def xdb(served):
    async with client_of(served, FRIEND) as client:
        yield client


@pytest.mark.parametrize("size", [0, 1, BODY - 1, BODY, BODY + 1, len(DATA)])
async def test_any_bytes_come_back(xdb, size):
    info = await xdb.upload(DATA[:size], "ns", "file")
    assert (info.size, info.health) == (size, Health.GREEN)
    assert info.digest == sha256(DATA[:size]).digest()
    assert await xdb.read("ns/file") == DATA[:size]
    if size > 10:
        assert await xdb.read(info, 5, size - 7) == DATA[5 : size - 2]


async def test_progress_is_true_and_in_order(xdb):
    seen = []
    info = await xdb.upload(DATA, "ns", "file", progress=seen.append, wait=Stage.FINAL)
    stages = [progress.stage for progress in seen]
    assert stages == sorted(stages)
    assert stages[0] is Stage.READY
    assert stages[-1] is Stage.FINAL
    last = seen[-1]
    assert last.received == len(DATA)
    assert {holder.node for holder in last.holders} <= {slot.node for slot in info.slots}


async def test_what_is_told_about_a_file(xdb, net):
    await xdb.upload(
        DATA,
        "ns",
        "a/file.txt",
        description="what it is",
        media_type="text/plain",
        extra={"a": "1", "b": "2"},
        expires=timedelta(days=30),
    )
    info = await xdb.info("ns/a/file.txt")
    assert (info.namespace, info.name, info.description) == ("ns", "a/file.txt", "what it is")
    assert (info.media_type, dict(info.extra)) == ("text/plain", {"a": "1", "b": "2"})
    assert (info.slices, info.slice_size, info.version) == (4, SLICE, 1)
    left = info.expiry - datetime.fromtimestamp(net.clock.wall(), UTC)
    assert timedelta(days=29) < left <= timedelta(days=30)
    assert len({slot.node for slot in info.slots}) == 3
    assert all(slot.address.startswith("127.0.0.1:") for slot in info.slots)


# ---------------------------------------------------------------- who may, and what is refused


async def test_only_the_owner_and_its_clients_are_served(served):
    async with client_of(served, served.bench.network.owner) as owner:
        await owner.upload(b"mine", "ns", "mine")
    async with client_of(served, STRANGER) as stranger:
        for work in (
            lambda: stranger.upload(b"x", "ns", "x"),
            lambda: stranger.read("ns/mine"),
            stranger.list,
            stranger.usage,
            stranger.status,
            lambda: stranger.delete("ns/mine"),
            lambda: stranger.namespaces.create("n", copies(1)),
            lambda: stranger.nodes.list().__anext__(),
        ):
            with pytest.raises(AuthError, match=r"does not serve .*clients.allow"):
                await work()


async def test_mistakes_have_their_words(xdb):
    await xdb.upload(b"x", "ns", "taken")
    for work, error, words in (
        (lambda: xdb.upload(b"x", "ns", "taken"), ConflictError, "choose another name"),
        (lambda: xdb.upload(b"x", "none", "x"), NotFoundError, "xdb-cli ns create none"),
        (lambda: xdb.read("ns/none"), NotFoundError, "xdb-cli ls ns"),
        (lambda: xdb.read(bytes(32)), NotFoundError, "xdb-cli ls"),
        (lambda: xdb.read("ns/taken", 0, 2), InvalidRequestError, "the file has 1 bytes"),
        (lambda: xdb.upload(b"x", "ns", "x", slice_size=1000), InvalidRequestError, "power of two"),
        (lambda: xdb.rename("ns/none", "x"), NotFoundError, "xdb-cli ls"),
        (lambda: xdb.namespaces.create("ns", copies(2)), ConflictError, "namespace ns exists"),
        (lambda: xdb.namespaces.create("wide", copies(9)), PlacementError, "4 are usable"),
        (lambda: xdb.namespaces.info("none"), NotFoundError, "xdb-cli ns create none"),
    ):
        with pytest.raises(error, match=words):
            await work()


async def raw(served, parts):
    """An upload call as other programs might make it; gives the answers."""
    net, connections = served.bench.network, Connections()
    signer = RequestSigner(FRIEND, net.chain.deployment, net.clock, SeededEntropy("raw"))
    party = Party("owner", served.context.endpoint, connections, net.owner.address, signer)
    method = "/xdb.v1.FileService/Upload"
    try:
        async with party.channel() as channel:
            call = channel.stream_stream(method)(metadata=party.sign(method, parts[0]))
            for part in parts:
                await call.write(part)
            await call.done_writing()
            answers = [answer async for answer in call]
    finally:
        await connections.close()
    return [owner_pb2.UploadProgress.FromString(answer) for answer in answers]


def header(**values):
    fields = {"namespace": "ns", "name": "raw", "expiry": START + 86400, "upload": bytes(16)}
    made = owner_pb2.UploadHeader(**(fields | values))
    return owner_pb2.UploadRequest(header=made).SerializeToString()


def end(size):
    return owner_pb2.UploadRequest(end=owner_pb2.UploadEnd(size=size)).SerializeToString()


async def test_an_upload_may_be_written_without_waiting(served):
    plain = owner_pb2.UploadRequest(data=b"abc").SerializeToString()
    answers = await raw(served, [header(), plain, frame(2, b"def"), end(6)])
    assert answers[-1].file.size == 6
    assert answers[0].stage == owner_pb2.STAGE_READY


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([frame(2, b"data")], "first message must be the header"),
        ([b""], "first message must be the header"),
        ([b"\xff\xff"], "does not follow the protocol"),
        ([header(upload=b"short")], "upload has 5 bytes, 16 belong there"),
        ([header(namespace="")], "namespace name is empty"),
        ([header(name="../../etc/passwd")], "leave out"),
        ([header(description="x" * 5000)], "shorten"),
        ([header(size=1 << 60)], "larger slices"),
        ([header(slice_size=7)], "power of two"),
        ([header(expiry=0)], "not in the future"),
        ([header(), header()], "a second header came"),
        ([header(), frame(2, b"data")], "cut off after 4 bytes"),
        ([header(), frame(2, b"data"), end(5)], "4 bytes came, 5 were sent"),
        ([header(size=5), frame(2, b"data"), end(4)], "4 bytes came, 5 were announced"),
        ([header(size=3), frame(2, b"data"), end(4)], "more than the 3 bytes announced"),
    ],
)
async def test_malformed_uploads(served, parts, words):
    with pytest.raises(XdbError, match=words):
        await raw(served, parts)
    assert served.bench.network.index.files(served.bench.network.owner.address).items == ()


# ---------------------------------------------------------------- what breaks


async def slowly(data, step, between):
    for start in range(0, len(data), step):
        yield data[start : start + step]
        await between(start)


async def test_a_node_lost_in_the_middle_of_an_upload_is_replaced(served, xdb):
    gone, begun = [], asyncio.Event()

    async def lose_one(start):
        if start > 2 * BODY:  # nodes have something to do by now, however slow the machine is
            await begun.wait()
        holders = served.bench.network.calls
        pushed = [node for call, node in holders if call == "push"]
        if not gone and pushed:
            gone.append(pushed[0])
            await served.stop(pushed[0])

    net = served.bench.network
    real = {node: member.custody.store.put for node, member in net.members.items()}

    def watched(node):
        async def put(*arguments):
            net.calls.append(("push", node))
            begun.set()
            return await real[node](*arguments)

        return put

    for node, member in net.members.items():
        member.custody.store.put = watched(node)
    info = await xdb.upload(slowly(DATA, 10_000, lose_one), "ns", "file")
    assert gone
    assert gone[0] not in {slot.node for slot in info.slots}
    assert await xdb.read(info) == DATA


async def test_a_client_that_goes_away_leaves_no_file_and_may_come_back(xdb):
    upload, half = b"u" * 16, asyncio.Event()

    async def source():
        yield DATA[: 2 * BODY + 1]
        half.set()
        await asyncio.Event().wait()

    first = asyncio.ensure_future(xdb.upload(source(), "ns", "file", upload_id=upload))
    await half.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert (await xdb.list("ns")).files == ()
    info = await xdb.upload(DATA, "ns", "file", upload_id=upload)
    assert await xdb.read(info) == DATA


async def test_a_changed_source_begins_anew_by_itself(xdb):
    upload, half = b"u" * 16, asyncio.Event()

    async def source():
        yield DATA[: 2 * BODY + 1]
        half.set()
        await asyncio.Event().wait()

    first = asyncio.ensure_future(xdb.upload(source(), "ns", "file", upload_id=upload))
    await half.wait()
    first.cancel()
    await asyncio.wait({first})
    info = await xdb.upload(DATA[::-1], "ns", "file", upload_id=upload)
    assert await xdb.read(info) == DATA[::-1]


async def test_a_reader_that_goes_away_is_no_trouble(xdb):
    await xdb.upload(DATA, "ns", "file")
    for _ in range(3):
        async with aclosing(xdb.stream("ns/file")) as parts:
            await anext(parts)
    assert await xdb.read("ns/file") == DATA


async def test_many_clients_at_once(xdb):
    data = {f"f{number}": bytes([number]) * 4096 for number in range(64)}
    await asyncio.gather(*(xdb.upload(content, "ns", name) for name, content in data.items()))
    names = list(data)
    assert await asyncio.gather(*(xdb.read(f"ns/{name}") for name in names)) == list(data.values())


# ---------------------------------------------------------------- the daily verbs


async def test_a_file_through_its_life(xdb, net):
    first = await xdb.upload(b"one", "ns", "file")
    second = await xdb.upload(b"two", "ns", "file", replace=True)
    assert [file.file async for file in xdb.files("ns")] == [second.file]
    deleted = [file.file async for file in xdb.files("ns", status=FileStatus.DELETED)]
    assert deleted == [first.file]
    renamed = await xdb.rename("ns/file", "other", "better")
    assert (renamed.name, renamed.description) == ("other", "better")
    await xdb.delete("ns/other")
    with pytest.raises(ExpiredError, match="xdb-cli undelete"):
        await xdb.read("ns/other")
    back = await xdb.undelete("ns/other")
    assert back.status is FileStatus.LIVE
    later = datetime.fromtimestamp(net.clock.wall() + 400 * 86400, UTC)
    renewed = await xdb.renew("ns/other", later)
    assert renewed.expiry == later.replace(microsecond=0)
    assert await xdb.read("ns/other") == b"two"


async def test_lists_are_bounded_and_go_on(xdb):
    for number in range(5):
        await xdb.upload(b"x", "ns", f"f{number}")
    page = await xdb.list("ns", limit=2)
    rest = await xdb.list("ns", limit=100 * MOST, cursor=page.next)
    assert (len(page.files), len(rest.files)) == (2, 3)
    assert {file.name for file in (*page.files, *rest.files)} == {f"f{n}" for n in range(5)}
    assert not rest.next
    with pytest.raises(InvalidRequestError, match="cursor"):
        await xdb.list("ns", cursor=b"other")


async def test_verify_reads_every_replica(served, xdb):
    info = await xdb.upload(DATA, "ns", "file")
    assert all([check.good async for check in xdb.verify(info)])
    member = served.bench.network.members[info.slots[1].node]
    member.disk.corrupt(member.disk.files("replicas")[0])
    bad = [check async for check in xdb.verify(info) if not check.good]
    assert [check.slot for check in bad] == [2]


async def test_namespaces_and_usage(xdb):
    made = await xdb.namespaces.create("photos", copies(2), "of birds")
    await xdb.upload(DATA, "photos", "one")
    info = await xdb.namespaces.info("photos")
    assert (info.description, info.files, info.size) == ("of birds", 1, len(DATA))
    assert made.redundancy == copies(2)
    assert {each.name async for each in xdb.namespaces.list()} >= {"photos"}
    used = {each.namespace: each for each in await xdb.usage()}
    assert used["photos"].files == 1
    assert used["photos"].stored == 2 * (len(DATA) + 4 * 16)


async def test_nodes_are_listed_and_asked(served, xdb):
    nodes = [node async for node in xdb.nodes.list()]
    assert len(nodes) == 4
    info = await xdb.nodes.info(nodes[0].node)
    assert info.reachable
    assert info.free > 0
    await served.stop(nodes[0].node)
    info = await xdb.nodes.info(nodes[0].node)
    assert not info.reachable
    assert info.problem


async def test_the_owner_says_who_it_is(served, xdb):
    status = await xdb.status()
    net = served.bench.network
    assert status.owner == net.owner.address
    assert status.chain == net.chain.deployment.chain
    assert status.height == net.index.head.height


async def test_another_owners_file_is_not_there(net, served, xdb):
    mallory = replace(served.context, owner=NamedKey("mallory").address)
    async with Client(mallory, FRIEND, clock=net.clock) as client:
        with pytest.raises(AuthError):
            await client.status()
    assert await xdb.list()
