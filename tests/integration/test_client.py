"""The client library against an owner node in memory, over real gRPC."""

import asyncio
import gc
import io
import os
import stat
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from xdb.client import Client, FileStatus, Health, Outcome, Stage, copies
from xdb.errors import (
    AuthError,
    ConfigError,
    ConflictError,
    ExpiredError,
    IntegrityError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    PlacementError,
    SourceChangedError,
    StorageFullError,
    UnavailableError,
)
from xdb.model.ids import Digest
from xdb.model.registry import Coding, Redundancy
from xdb.testing.entropy import SeededEntropy
from xdb.testing.gateway import CLIENT, OWNER, gateway
from xdb.testing.gateway_state import RETENTION
from xdb.testing.keys import NamedKey

DATA = bytes(range(256)) * 40
BUSY = OverloadedError("busy: try again")


class HastyClock:
    """A clock on which waiting takes no time."""

    def __init__(self):
        self.now = 1_800_000_000.0
        self.waited = []

    def wall(self):
        return self.now

    def monotonic(self):
        return self.now

    async def sleep(self, seconds):
        self.waited.append(seconds)


@pytest.fixture
def clock():
    return HastyClock()


@pytest.fixture
async def served(clock):
    async with gateway(clock) as (owner, context):
        yield owner, context


@pytest.fixture
def owner(served):
    return served[0]


@asynccontextmanager
async def connected(context, clock, signer=CLIENT):
    async with Client(context, signer, clock=clock, entropy=SeededEntropy("client")) as client:
        yield client


@pytest.fixture
async def xdb(served, clock):
    async with connected(served[1], clock) as client:
        await client.namespaces.create("ns", copies(3), "for tests")
        yield client


def names(directory):
    return sorted(path.name for path in directory.iterdir())


async def gathered(items):
    async with aclosing(items):
        return [item async for item in items]


# ---------------------------------------------------------------- upload


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (5 << 20) + 3])
async def test_bytes_come_back(xdb, size):
    data = os.urandom(size)
    file = await xdb.upload(data, "ns", "a")
    assert (file.size, file.digest) == (size, sha256(data).digest())
    assert await xdb.read("ns/a") == data


async def test_signed_by_the_client(xdb, owner):
    await xdb.upload(DATA, "ns", "a")
    assert owner.callers == {CLIENT.address}


async def test_what_is_said_of_a_file(xdb, owner, clock):
    file = await xdb.upload(
        DATA,
        "ns",
        "a/b.jpg",
        expires=timedelta(days=30),
        description="a picture",
        extra={"camera": "old"},
        wait=Stage.FINAL,
        slice_size=1 << 16,
    )
    header = owner.uploads[0]
    assert (header.expiry, header.media_type) == (int(clock.now) + 30 * 86400, "image/jpeg")
    assert (header.wait, header.slice_size, header.size) == (5, 1 << 16, len(DATA))
    assert file.extra == {"camera": "old"}
    assert (file.ref, file.description, file.health) == ("ns/a/b.jpg", "a picture", Health.GREEN)
    assert file.published == datetime.fromtimestamp(clock.now, UTC)
    assert [slot.slot for slot in file.slots] == [1, 2, 3]


async def test_sources(xdb, owner, tmp_path):
    path = tmp_path / "path"
    path.write_bytes(DATA)

    async def parts():
        yield DATA[:5]
        yield b""
        yield DATA[5:]

    await xdb.upload(path, "ns")
    await xdb.upload(str(path), "ns", "text")
    with path.open("rb") as file:
        file.read(3)
        await xdb.upload(file, "ns", "file")
    await xdb.upload(parts(), "ns", "iterator")
    await xdb.upload(memoryview(DATA), "ns", "view")
    assert owner.sent == [DATA, DATA, DATA[3:], DATA, DATA]
    assert [header.rewindable for header in owner.uploads] == [True, True, True, False, True]
    assert [header.HasField("size") for header in owner.uploads] == [True, True, True, False, True]
    assert owner.uploads[0].name == "path"


async def test_what_cannot_be_uploaded(xdb, tmp_path):
    with pytest.raises(ConfigError, match="nothing cannot be read"):
        await xdb.upload(tmp_path / "nothing", "ns")
    with pytest.raises(InvalidRequestError, match="is a directory"):
        await xdb.upload(tmp_path, "ns", "a")
    with pytest.raises(InvalidRequestError, match="a int cannot be uploaded"):
        await xdb.upload(5, "ns", "a")
    with pytest.raises(InvalidRequestError, match="gives text, not bytes"):
        await xdb.upload(io.StringIO("text"), "ns", "a")
    with pytest.raises(InvalidRequestError, match="no name of its own"):
        await xdb.upload(b"", "ns")
    with pytest.raises(InvalidRequestError, match="not in the future"):
        await xdb.upload(b"", "ns", "a", expires=timedelta(0))
    with pytest.raises(InvalidRequestError, match="no time zone"):
        await xdb.upload(b"", "ns", "a", expires=datetime(2100, 1, 1))  # noqa: DTZ001  # the point
    for name in ("../a", "a//b", "/a", "a\0", "", "x" * 256):
        with pytest.raises(InvalidRequestError):
            await xdb.upload(b"", "ns", name)


async def test_progress(xdb, owner):
    owner.script.notes = ["slot 2 goes to another node"]
    seen = []
    await xdb.upload(DATA, "ns", "a", progress=seen.append)
    assert [p.stage for p in seen] == sorted(p.stage for p in seen)
    assert {p.stage.name for p in seen} == {"READY", "SENDING", "STORED", "PUBLISHED"}
    assert seen[-1].received == seen[-1].total == len(DATA)
    assert {p.note for p in seen} == {"", "slot 2 goes to another node"}
    assert {p.upload_id for p in seen} == {owner.uploads[0].upload}


async def given_up_when_refused(upload):
    reading = None
    while reading is None:
        await asyncio.sleep(0)
        named = {task.get_name(): task for task in asyncio.all_tasks()}
        reading = named.get("upload progress")
    reading.add_done_callback(lambda _: upload.cancel())
    await asyncio.wait([upload])
    assert upload.cancelled()


async def test_a_failure_that_nobody_waits_for_any_more_is_no_noise(xdb, owner):
    owner.script.refuse["Upload"] = [AuthError("not on the list")]
    loop, noise = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _, context: noise.append(context["message"]))
    await given_up_when_refused(asyncio.create_task(xdb.upload(DATA, "ns", "a")))
    gc.collect()
    assert not noise


async def test_broken_uploads_are_sent_again_under_the_same_id(xdb, owner, clock):
    owner.script.break_upload = [(1, UnavailableError("lost")), (1, BUSY)]
    seen = []
    await xdb.upload(DATA, "ns", "a", progress=seen.append)
    notes = [progress.note for progress in seen if progress.note]
    assert notes == ["lost; trying again", "busy: try again; trying again"]
    assert len({header.upload for header in owner.uploads}) == 1
    assert owner.sent[-1] == DATA
    assert len(owner.uploads) == 3
    assert clock.waited == [0.25, 0.5]


async def test_an_upload_whose_answer_was_lost_is_not_done_twice(xdb, owner):
    owner.script.lose_answer = 1
    file = await xdb.upload(DATA, "ns", "a")
    assert file.size == len(DATA)
    assert len(owner.sent) == 1
    assert len(owner.world.files) == 1


async def test_a_changed_source_starts_anew(xdb, owner, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(DATA)

    def change(progress):
        if progress.stage is Stage.READY and len(owner.uploads) == 2:
            path.write_bytes(b"other" + DATA)

    owner.script.break_upload = [(1, UnavailableError("lost"))]
    file = await xdb.upload(path, "ns", "a", progress=change)
    assert [len(sent) for sent in owner.sent][1:] == [len(DATA), len(DATA) + 5]
    assert file.digest == sha256(b"other" + DATA).digest()
    assert len({header.upload for header in owner.uploads}) == 2


async def test_a_source_that_shrinks_while_it_is_read_starts_anew(xdb, owner, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(DATA)

    def change(_):
        if len(owner.uploads) == 1:
            path.write_bytes(DATA[:5])

    file = await xdb.upload(path, "ns", "a", progress=change)
    assert file.size == 5
    assert len({header.upload for header in owner.uploads}) == 2


async def test_a_source_that_never_stands_still(xdb, owner):
    owner.script.refuse["Upload"] = [SourceChangedError("it has changed: upload it anew")] * 9
    with pytest.raises(SourceChangedError, match="it has changed"):
        await xdb.upload(DATA, "ns", "a")
    assert len(owner.script.refuse["Upload"]) == 5


async def test_streams_are_not_sent_again(xdb, owner):
    async def parts():
        yield DATA

    owner.script.break_upload = [(1, BUSY)]
    with pytest.raises(OverloadedError, match="busy"):
        await xdb.upload(parts(), "ns", "a")
    assert len(owner.uploads) == 1


async def test_attempts_end(xdb, owner):
    owner.script.refuse["Upload"] = [BUSY] * 9
    with pytest.raises(OverloadedError, match="busy"):
        await xdb.upload(DATA, "ns", "a")
    assert len(owner.script.refuse["Upload"]) == 4


@pytest.mark.parametrize(
    "error",
    [
        StorageFullError("no room: free some"),
        PlacementError("3 nodes are needed: add some"),
        ConflictError("ns/a exists: choose another name"),
    ],
)
async def test_what_trying_again_does_not_mend_is_not_tried(xdb, owner, error):
    owner.script.refuse["Upload"] = [error, error]
    with pytest.raises(type(error), match=str(error)):
        await xdb.upload(DATA, "ns", "a")
    assert len(owner.script.refuse["Upload"]) == 1


async def test_errors_in_the_middle_are_told(xdb, owner):
    data = bytes(4 << 20)
    for number in range(20):  # they meet data that is on its way, or do not
        owner.script.break_upload = [(1 << 20, IntegrityError("piece 3 came out otherwise"))]
        with pytest.raises(IntegrityError, match="piece 3"):
            await xdb.upload(data, "ns", f"{number}")
    assert len(owner.uploads) == 20


async def test_callers_that_are_not_served_are_told(served, clock):
    late = HastyClock()
    late.now = clock.now - 600
    async with connected(served[1], late) as client:
        for _ in range(20):
            with pytest.raises(AuthError, match="set the clocks"):
                await client.upload(DATA, "ns", "a")


async def test_a_name_is_taken_once(xdb):
    await xdb.upload(DATA, "ns", "a")
    with pytest.raises(ConflictError, match="ns/a exists"):
        await xdb.upload(b"other", "ns", "a")
    await xdb.upload(b"other", "ns", "a", replace=True)
    assert await xdb.read("ns/a") == b"other"


async def test_an_upload_goes_on_with_its_id(xdb, owner):
    owner.script.refuse["Upload"] = [SourceChangedError("the source has changed")]
    await xdb.upload(DATA, "ns", "a", upload_id=bytes(16))
    assert owner.uploads[0].upload != bytes(16)
    await xdb.upload(DATA, "ns", "b", upload_id=bytes(16))
    assert owner.uploads[1].upload == bytes(16)
    await xdb.upload(DATA, "ns", "b", upload_id=bytes(16))
    with pytest.raises(IntegrityError, match="upload id belongs to another"):
        await xdb.upload(b"something else", "ns", "b", upload_id=bytes(16))
    with pytest.raises(InvalidRequestError, match="16 bytes"):
        await xdb.upload(DATA, "ns", "c", upload_id=b"short")


async def test_an_error_of_the_source_ends_the_upload(xdb, owner):
    async def parts():
        yield DATA
        raise KeyError("the program's own")

    with pytest.raises(KeyError, match="the program's own"):
        await xdb.upload(parts(), "ns", "a")
    assert owner.world.files == []


# ---------------------------------------------------------------- directories


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "tree"
    for name in ("a", "b/c", "b/d/e", "bad\tname"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    (root / "link").symlink_to("a")
    os.mkfifo(root / "fifo")
    return root


async def test_directory(xdb, tree):
    seen = []
    results = await gathered(xdb.upload_directory(tree, "ns", progress=seen.append))
    found = {result.name: result.outcome for result in results}
    assert found == {
        "tree/a": Outcome.UPLOADED,
        "tree/b/c": Outcome.UPLOADED,
        "tree/b/d/e": Outcome.UPLOADED,
        "tree/bad\tname": Outcome.FAILED,
        "tree/link": Outcome.SKIPPED,
        "tree/fifo": Outcome.SKIPPED,
    }
    assert await xdb.read("ns/tree/b/d/e") == b"b/d/e"
    assert (seen[-1].files, seen[-1].files_total) == (6, 6)
    assert seen[-1].size == seen[-1].size_total


async def test_directory_under_another_name_and_under_none(xdb, tree):
    await gathered(xdb.upload_directory(tree, "ns", "other/place"))
    await gathered(xdb.upload_directory(tree, "ns", ""))
    found = {file.name async for file in xdb.files("ns")}
    assert found == {f"{p}{n}" for p in ("other/place/", "") for n in ("a", "b/c", "b/d/e")}


async def test_what_is_there_is_left_alone(xdb, owner, tree):
    await gathered(xdb.upload_directory(tree, "ns"))
    (tree / "a").write_bytes(b"A")
    (tree / "b/c").write_bytes(b"longer than before")
    owner.sent.clear()
    results = await gathered(xdb.upload_directory(tree, "ns", skip_same=True, replace=True))
    outcomes = {result.name: result.outcome.value for result in results}
    assert outcomes["tree/b/d/e"] == "unchanged"
    assert sorted(owner.sent) == [b"A", b"longer than before"]


async def test_what_stops_every_file_stops_the_directory(xdb, owner, tree):
    owner.script.refuse["Upload"] = [AuthError("not on the list")] * 9
    with pytest.raises(AuthError, match="not on the list"):
        await gathered(xdb.upload_directory(tree, "ns"))


async def test_many_files(xdb, tmp_path):
    for number in range(60):
        (tmp_path / f"{number}").write_bytes(bytes([number]))
    results = await gathered(xdb.upload_directory(tmp_path, "ns", "many"))
    assert {result.outcome for result in results} == {Outcome.UPLOADED}
    assert len([file async for file in xdb.files()]) == 60


# ---------------------------------------------------------------- download


@pytest.fixture
async def file(xdb):
    return await xdb.upload(DATA, "ns", "a")


async def test_into_a_path(xdb, file, tmp_path):
    target, seen = tmp_path / "target", []
    result = await xdb.download("ns/a", target, progress=seen.append)
    assert target.read_bytes() == DATA
    assert (result.length, result.resumed, result.file.file) == (len(DATA), 0, file.file)
    assert seen[-1].done == seen[-1].total == len(DATA)
    assert names(tmp_path) == ["target"]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~umask


async def test_by_id(xdb, file):
    for ref in (file, file.file, file.file.hex(), "0x" + file.file.hex()):
        assert await xdb.read(ref) == DATA


async def test_what_is_there_stays(xdb, file, tmp_path):
    target = tmp_path / "target"
    target.write_bytes(b"mine")
    with pytest.raises(ConflictError, match="is not overwritten"):
        await xdb.download(file, target)
    assert target.read_bytes() == b"mine"
    await xdb.download(file, target, replace=True)
    assert target.read_bytes() == DATA


async def test_what_came_in_between_stays(xdb, file, tmp_path):
    target = tmp_path / "target"
    with pytest.raises(ConflictError, match="is not overwritten"):
        await xdb.download(file, target, progress=lambda _: target.write_bytes(b"mine"))
    assert target.read_bytes() == b"mine"


async def test_links_are_not_followed(xdb, file, tmp_path):
    target, elsewhere = tmp_path / "target", tmp_path / "elsewhere"
    target.symlink_to(elsewhere)
    with pytest.raises(ConflictError, match="is not overwritten"):
        await xdb.download(file, target)
    await xdb.download(file, target, replace=True)
    assert not target.is_symlink()
    assert not elsewhere.exists()


async def test_a_link_in_place_of_the_unfinished_file_is_not_followed(xdb, file, tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / f".target.{file.file.hex()[:16]}.part").symlink_to(victim)
    with pytest.raises(ConfigError, match="cannot be written"):
        await xdb.download(file, tmp_path / "target")
    assert victim.read_bytes() == b"precious"


async def test_ranges(xdb, file, tmp_path):
    assert await xdb.read(file, 1000) == DATA[1000:]
    assert await xdb.read(file, 1000, 2000) == DATA[1000:3000]
    assert await xdb.read(file, 0, 0) == b""
    await xdb.download(file, tmp_path / "part", offset=5, length=7)
    assert (tmp_path / "part").read_bytes() == DATA[5:12]
    with io.BytesIO() as memory:
        result = await xdb.download(file, memory, offset=5, length=7)
        assert (memory.getvalue(), result.offset, result.length) == (DATA[5:12], 5, 7)
    assert b"".join([bytes(part) async for part in xdb.stream(file, 9)]) == DATA[9:]


async def test_into_a_device(xdb, file):
    await xdb.download(file, "/dev/null")
    with pytest.raises(ConfigError, match="is a directory"):
        await xdb.download(file, "/tmp")


async def test_a_lost_connection_is_gone_on_with(xdb, owner, file, tmp_path):
    owner.script.break_download = [(3000, UnavailableError("lost")), (2000, BUSY)]
    await xdb.download("ns/a", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == DATA
    asked = [(request.offset, request.ref.file) for request in owner.downloads]
    assert asked == [(0, b""), (3000, file.file), (5000, file.file)]


async def test_wrong_bytes_are_not_kept(xdb, owner, file, tmp_path):
    owner.script.spoil_download = [5000]
    with pytest.raises(IntegrityError, match="was not kept"):
        await xdb.download(file, tmp_path / "target")
    assert names(tmp_path) == []


async def test_an_interrupted_download_leaves_the_target_and_goes_on(xdb, owner, file, tmp_path):
    target = tmp_path / "target"
    target.write_bytes(b"mine")
    owner.script.break_download = [(4000, IntegrityError("no holder has slice 3"))]
    with pytest.raises(IntegrityError, match="slice 3"):
        await xdb.download(file, target, replace=True)
    assert target.read_bytes() == b"mine"
    assert len(names(tmp_path)) == 2
    result = await xdb.download(file, target, replace=True)
    assert target.read_bytes() == DATA
    assert result.resumed == 4000
    assert owner.downloads[-1].offset == 4000
    assert names(tmp_path) == ["target"]


@pytest.mark.parametrize("left", [b"", DATA[:100], b"x" * 100, b"x" * len(DATA), DATA, DATA * 2])
async def test_whatever_was_left_the_result_is_the_file(xdb, file, tmp_path, left):
    (tmp_path / f".target.{file.file.hex()[:16]}.part").write_bytes(left)
    await xdb.download(file, tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == DATA
    assert names(tmp_path) == ["target"]


async def test_long_names(xdb, file, tmp_path):
    target = tmp_path / ("n" * 255)
    await xdb.download(file, target)
    assert target.read_bytes() == DATA


async def test_a_directory_that_cannot_be_written(xdb, file):
    with pytest.raises(ConfigError, match="cannot be written"):
        await xdb.download(file, "/nowhere/target")
    with pytest.raises(ConfigError, match="cannot be written"):
        await xdb.download(file, "/proc/target")


async def test_what_is_not_there(xdb, file):
    with pytest.raises(NotFoundError, match="no file"):
        await xdb.read("ns/b")
    with pytest.raises(NotFoundError, match="ns create other"):
        await xdb.read("other/b")
    with pytest.raises(InvalidRequestError, match="names no file"):
        await xdb.read("a")
    with pytest.raises(InvalidRequestError, match="32 bytes"):
        await xdb.read(b"short")
    await xdb.delete(file)
    with pytest.raises(ExpiredError, match="undelete"):
        await xdb.read(file)


# ---------------------------------------------------------------- the rest


async def test_lists_go_on_page_by_page(xdb, owner):
    owner.answers.page = 2
    for name in "abcde":
        await xdb.upload(name.encode(), "ns", name)
    assert [file.name async for file in xdb.files("ns")] == list("edcba")
    page = await xdb.list(limit=3)
    assert [file.name for file in page.files] == list("edc")
    page = await xdb.list(limit=3, cursor=page.next)
    assert ([file.name for file in page.files], page.next) == (list("ba"), None)
    assert len([node async for node in xdb.nodes.list()]) == 4


async def test_life_of_a_file(xdb, clock, file):
    deleted = await xdb.delete(file)
    assert (deleted.status, deleted.deleted) == (FileStatus.DELETED, deleted.published)
    assert deleted.gone == deleted.published + timedelta(seconds=RETENTION)
    assert [f.name for f in (await xdb.list(status=FileStatus.DELETED)).files] == ["a"]
    assert (await xdb.undelete("ns/a")).status is FileStatus.LIVE
    clock.now += 366 * 86400
    assert (await xdb.info(file)).status is FileStatus.EXPIRED
    assert [f.name for f in (await xdb.list(status=FileStatus.EXPIRED)).files] == ["a"]
    until = datetime.fromtimestamp(clock.now + 86400, UTC)
    assert (await xdb.renew(file, until)).expiry == until
    assert (await xdb.rename(file, "b/c", "new words")).ref == "ns/b/c"
    assert (await xdb.info("ns/b/c")).description == "new words"
    with pytest.raises(InvalidRequestError, match="not in the future"):
        await xdb.renew(file, until - timedelta(days=2))


async def test_lists_by_time(xdb, clock):
    for name in "abc":
        await xdb.upload(b"", "ns", name)
        clock.now += 100
    start = datetime.fromtimestamp(1_800_000_000, UTC)
    page = await xdb.list(since=start + timedelta(seconds=50))
    assert [file.name for file in page.files] == ["c", "b"]
    page = await xdb.list(until=start + timedelta(seconds=150))
    assert [file.name for file in page.files] == ["b", "a"]


async def test_verify(xdb, owner, file):
    checks = await gathered(xdb.verify(file))
    assert [(check.slot, check.good) for check in checks] == [(1, True), (2, True), (3, True)]
    owner.world.files[0].damaged = {2}
    checks = await gathered(xdb.verify(file))
    assert [check.good for check in checks] == [True, False, True]
    assert checks[1].problem == "its bytes are not what was stored"
    assert (await xdb.info(file)).health is Health.YELLOW


@pytest.mark.usefixtures("file")
async def test_namespaces(xdb):
    info = await xdb.namespaces.info("ns")
    assert (info.name, info.files, info.size, info.colours) == ("ns", 1, len(DATA), {"green": 1})
    assert info.redundancy == copies(3)
    changed = await xdb.namespaces.update(
        "ns", redundancy=Redundancy(Coding.ERASURE, 2, 3), description="words"
    )
    assert (changed.redundancy.coding, changed.description) == (Coding.ERASURE, "words")
    assert [each.name async for each in xdb.namespaces.list()] == ["ns"]
    with pytest.raises(ConflictError, match="exists"):
        await xdb.namespaces.create("ns", copies(1))
    with pytest.raises(PlacementError, match="5 nodes are needed, 4 are usable"):
        await xdb.namespaces.create("big", copies(5))
    assert (await xdb.usage())[0].stored == 3 * len(DATA)


async def test_nodes_and_status(xdb, clock):
    nodes = await gathered(xdb.nodes.list())
    assert [node.reachable for node in nodes] == [None] * 4
    asked = await xdb.nodes.info(nodes[0].node)
    assert (asked.reachable, asked.free, asked.address) == (True, 8 << 30, "127.0.0.1:7401")
    with pytest.raises(InvalidRequestError, match="20 bytes"):
        await xdb.nodes.info(b"short")
    status = await xdb.status()
    assert (status.owner, status.retention) == (OWNER.address, RETENTION)
    assert status.chain_time == datetime.fromtimestamp(clock.now, UTC)


async def test_questions_are_asked_again_and_changes_are_not(xdb, owner, file):
    owner.script.refuse = {"Status": [BUSY, BUSY], "Delete": [BUSY]}
    await xdb.status()
    with pytest.raises(OverloadedError):
        await xdb.delete(file)


async def test_several_at_once(xdb):
    await asyncio.gather(*(xdb.upload(bytes([n]) * n, "ns", f"{n}") for n in range(12)))
    assert await asyncio.gather(*(xdb.read(f"ns/{n}") for n in range(12))) == [
        bytes([n]) * n for n in range(12)
    ]


# ---------------------------------------------------------------- who talks to whom


async def test_another_certificate_is_not_talked_to(served, clock):
    context = served[1]
    wrong = replace(context, endpoint=replace(context.endpoint, certificate=Digest(bytes(32))))
    async with connected(wrong, clock) as client:
        with pytest.raises(AuthError, match="shows certificate"):
            await client.status()


async def test_another_owner_or_chain_is_not_talked_to(served, clock):
    context = served[1]
    async with connected(replace(context, owner=NamedKey("other").address), clock) as client:
        with pytest.raises(AuthError, match="was signed for"):
            await client.status()
    other = replace(context.deployment, contract=NamedKey("other").address)
    async with connected(replace(context, deployment=other), clock) as client:
        with pytest.raises(AuthError, match="was signed for chain"):
            await client.status()


async def test_a_clock_that_is_off_is_named(served, clock):
    late = HastyClock()
    late.now = clock.now - 600
    async with connected(served[1], late) as client:
        with pytest.raises(AuthError, match="set the clocks"):
            await client.status()


async def test_nobody_there(served, clock):
    context = served[1]
    gone = replace(context, endpoint=replace(context.endpoint, address="127.0.0.1:1"))
    async with connected(gone, clock) as client:
        with pytest.raises(UnavailableError, match=r"owner node 127\.0\.0\.1:1 cannot be reached"):
            await client.status()
