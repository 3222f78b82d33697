"""Upload: what is acknowledged is stored, whatever fails on the way."""

import asyncio
from collections import Counter, defaultdict
from types import SimpleNamespace

import pytest

from xdb.core import encryption
from xdb.errors import (
    AuthError,
    ConflictError,
    IntegrityError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    PlacementError,
    SendAgainError,
    StorageFullError,
    UnavailableError,
)
from xdb.services.upload import pipeline
from xdb.services.upload.request import Stage
from xdb.services.upload.sending import UploadConfig
from xdb.testing.network import network
from xdb.testing.owner import SLICE, START, YEAR, OwnerBench, chunks

BODY = SLICE - 16
DATA = bytes(range(256)) * 1000  # four slices


async def test_a_file_is_published_with_a_receipt_of_every_holder(bench):
    view = await bench.upload(DATA)
    assert len(set(view.record.holders)) == 3
    assert view.record.size == len(DATA)
    assert view.record.version == 1
    assert {report.stage for report in bench.reports} == set(Stage) - {Stage.FINAL}
    last = bench.reports[-1]
    assert last.received == len(DATA)
    assert all(holder.size == len(DATA) + 4 * 16 for holder in last.holders)
    assert await bench.download(view) == DATA


async def test_stages_come_in_order_and_final_when_asked_for(bench):
    await bench.upload(DATA, bench.request(wait=Stage.FINAL))
    stages = [report.stage for report in bench.reports]
    assert stages == sorted(stages)
    assert stages[-1] is Stage.FINAL


# ---------------------------------------------------------------- refused before data is taken


async def refused(bench, request, error, words):
    taken, bench.network.calls = [], []

    async def source():
        taken.append(1)
        yield b"data"

    with pytest.raises(error, match=words):
        await bench.run(bench.uploader.upload(request, source(), bench.reports.append))
    assert not taken
    assert not [call for call, _ in bench.network.calls if call == "push"]


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"namespace": "none"}, NotFoundError, r"no namespace none: create it with `xdb-cli ns"),
        ({"expiry": START - 1}, InvalidRequestError, "not in the future"),
        ({"expiry": START + 100 * YEAR}, InvalidRequestError, "or later than"),
        ({"slice_size": 1000}, InvalidRequestError, "power of two"),
        ({"name": "../up"}, InvalidRequestError, r"."),
        ({"name": "a\0b"}, InvalidRequestError, r"."),
        ({"name": ""}, InvalidRequestError, r"."),
        ({"size": 1 << 60}, (InvalidRequestError, ValueError), r"."),
    ],
)
async def test_bad_requests(bench, values, error, words):
    await refused(bench, bench.request(**values), error, words)


async def test_a_taken_name(bench):
    view = await bench.upload(b"one")
    await refused(bench, bench.request(), ConflictError, f"exists .file {view.record.file.hex()}")


async def test_too_few_nodes_and_why(net, bench):
    for member in list(net.members.values())[:2]:
        member.up = False
    await refused(bench, bench.request(), PlacementError, "does not answer")


async def test_nodes_that_do_not_take_the_owner(net, bench):
    members = list(net.members.values())[:2]

    def fault(_call, node):
        if node in {member.node for member in members}:
            raise AuthError("this node does not serve owner: ask its operator")

    net.fault = fault
    await refused(bench, bench.request(), PlacementError, "does not serve owner")


async def test_too_many_uploads(bench):
    bench.limit_uploads(UploadConfig(uploads=0))
    await refused(bench, bench.request(), OverloadedError, "try again in a while")


# ---------------------------------------------------------------- replacing


async def test_replacing_takes_the_name_and_ends_the_old_file(net, bench):
    old = await bench.upload(b"one")
    new = await bench.upload(b"two", bench.request(replace=True))
    assert net.index.file(old.record.file).record.deleted
    found = net.index.live_file(net.owner.address, new.record.namespace, new.record.name)
    assert found.record.file == new.record.file


async def test_replacing_nothing_is_fine(bench):
    await bench.upload(b"one", bench.request(replace=True))


# ---------------------------------------------------------------- failing nodes


@pytest.mark.parametrize("after", range(6))
async def test_a_node_lost_in_the_middle_is_replaced_and_its_slot_made_again(net, bench, after):
    pushed = Counter()

    def fault(call, node):
        if call == "push":
            pushed[node] += 1
            if sum(pushed.values()) == after + 1:
                net.members[node].up = False

    net.fault = fault
    view = await bench.upload(DATA)
    (dead,) = [node for node, member in net.members.items() if not member.up]
    assert dead not in view.record.holders
    assert len(set(view.record.holders)) == 3
    assert any("goes to node" in note for note in bench.notes())
    assert await bench.download(view) == DATA
    checks = [check async for check in bench.verification.verify(view)]
    assert [check.problem for check in checks] == [""] * 12


async def test_a_node_that_fails_to_accept_is_replaced(net, bench):
    failed = []

    def fault(call, node):
        if call == "accept" and (not failed or node in failed):
            failed.append(node)
            raise UnavailableError("its disk just died")

    net.fault = fault
    view = await bench.upload(DATA)
    assert failed[0] not in view.record.holders
    assert await bench.download(view) == DATA


@pytest.mark.parametrize("error", [UnavailableError("busy"), IntegrityError("arrived damaged")])
async def test_a_passing_failure_is_tried_again_at_the_same_node(net, bench, error):
    failed = set()

    def fault(call, node):
        if call == "push" and node not in failed:
            failed.add(node)
            raise error

    net.fault = fault
    await bench.upload(DATA)
    assert not bench.notes()


async def test_a_full_node_is_left_at_once(net, bench):
    full = []

    def fault(call, node):
        if call == "push" and (not full or node in full):
            full.append(node)
            raise StorageFullError("no room left")

    net.fault = fault
    view = await bench.upload(DATA)
    assert full[0] not in view.record.holders


async def test_more_failing_nodes_than_there_are_others_fail_the_upload_and_say_why(net, bench):
    down = list(net.members)[:2]

    def fault(call, node):
        if call == "push" and node in down:
            raise UnavailableError("gone")

    net.fault = fault
    with pytest.raises(PlacementError, match=r"has no holder: node .* failed: gone.*upload again"):
        await bench.upload(DATA)


async def test_many_failed_pushes_do_not_hang_the_upload(net, bench):
    def fault(call, _node):
        if call == "push":
            raise UnavailableError("no")

    net.fault = fault
    for number in range(15):
        with pytest.raises(PlacementError):
            await bench.upload(DATA, bench.request(f"f{number}"))
    net.fault = lambda *_: None
    await bench.upload(DATA)


@pytest.mark.parametrize("rewindable", [True, False])
async def test_a_single_copy_can_only_be_sent_again(net, bench, rewindable):
    await net.create_namespace("single", 1)
    pushed = []

    def fault(call, node):
        if call == "push":
            pushed.append(node)
            if len(pushed) == 3:
                net.members[node].up = False

    net.fault = fault
    request = bench.request(namespace="single", rewindable=rewindable)
    bench.limit_uploads(UploadConfig(window=1))
    words = "same upload id" if rewindable else "upload it anew"
    with pytest.raises(SendAgainError if rewindable else UnavailableError, match=words):
        await bench.upload(DATA, request)
    view = await bench.upload(DATA, request if rewindable else bench.request(namespace="single"))
    assert await bench.download(view) == DATA


# ---------------------------------------------------------------- journal


async def test_the_same_upload_again_gives_the_same_file(net, bench):
    request = bench.request()
    view = await bench.upload(DATA, request)
    net.calls.clear()
    again = await OwnerBench(net, bench.journal_kv).upload(DATA, request)
    assert again.record.file == view.record.file
    assert not net.calls


async def test_an_upload_id_is_for_one_file(bench):
    request = bench.request("a")
    await bench.upload(DATA, request)
    with pytest.raises(ConflictError, match="belongs to another file"):
        await bench.upload(DATA, bench.request("b", upload=request.upload))


@pytest.fixture
def recorded(monkeypatch):
    """Every (key, nonce) that encrypted, with the contents it met."""
    seen = defaultdict(set)
    real = encryption.encrypt_slice

    def recording(*arguments):
        key, prefix, _file, index, last, plaintext = arguments
        seen[key, prefix, index, last].add(bytes(plaintext))
        return real(*arguments)

    monkeypatch.setattr(pipeline, "encrypt_slice", recording)
    return seen


async def attempt(net, kv, request, data, stop_at):
    """One life of an owner that ends at the n-th call to a node, chain or journal."""
    left = [stop_at]

    def step(*_):
        left[0] -= 1
        if left[0] == 0:
            task.cancel()

    bench = OwnerBench(net, kv)
    net.fault = step
    write = kv.write

    async def watched(batch, *, sync):
        step()
        await asyncio.sleep(0)
        await write(batch, sync=sync)
        step()
        await asyncio.sleep(0)

    bench.journal._kv = type(
        "Watched", (), {"write": staticmethod(watched), "get": kv.get, "scan": kv.scan}
    )()
    publisher = bench.uploader.recording.publisher
    submit = publisher.registry.submit

    async def submitted(call):
        step()
        await asyncio.sleep(0)
        inclusion = await submit(call)
        step()
        await asyncio.sleep(0)
        return inclusion

    publisher.registry = SimpleNamespace(parameters=net.index.parameters, submit=submitted)
    task = asyncio.ensure_future(bench.upload(data, request))
    try:
        return await task
    except asyncio.CancelledError:
        return None
    finally:
        net.fault = lambda *_: None


@pytest.mark.parametrize("size", [2 * BODY + 5, 4096])
async def test_the_owner_may_die_at_every_step_and_resume(recorded, size):
    stop_at, finished = 1, False
    while not finished:
        async with network(members=3) as net:
            kv = OwnerBench(net).journal_kv
            request = OwnerBench(net).request(slice_size=SLICE)
            data = DATA[:size]
            view = await attempt(net, kv, request, data, stop_at)
            finished = view is not None
            if not finished:
                published = net.index.files(net.owner.address).items
                assert len(published) <= 1
                bench = OwnerBench(net, kv)
                view = await bench.upload(data, request)
            bench = OwnerBench(net, kv)
            assert await bench.download(view) == data
            assert len(net.index.files(net.owner.address).items) == 1
        stop_at += 1
    assert stop_at > 12
    assert all(len(contents) == 1 for contents in recorded.values())


async def test_a_source_that_changed_takes_a_new_key(recorded):
    for stop_at in range(4, 20, 3):
        async with network(members=3) as net:
            kv = OwnerBench(net).journal_kv
            request = OwnerBench(net).request()
            first, second = DATA[: 2 * BODY + 5], b"!" + DATA[1 : 2 * BODY + 5]
            if await attempt(net, kv, request, first, stop_at) is not None:
                break
            bench = OwnerBench(net, kv)
            if bench.journal.slices(request.upload):
                with pytest.raises(ConflictError, match="has changed since the upload began"):
                    await bench.upload(second, request)
                request = bench.request()
            view = await bench.upload(second, request)
            assert await bench.download(view) == second
        assert all(len(contents) == 1 for contents in recorded.values())
        recorded.clear()  # the next network draws the same keys


async def test_a_source_that_grew_has_changed(net, bench, recorded):
    request = bench.request()
    assert await attempt(net, bench.journal_kv, request, DATA[:BODY], 12) is None
    with pytest.raises(ConflictError, match="has changed"):
        await bench.upload(DATA[: BODY + 1], request)
    assert all(len(contents) == 1 for contents in recorded.values())


async def test_the_journal_keeps_no_key_in_the_open_and_forgets(net, bench):
    request = bench.request()
    await attempt(net, bench.journal_kv, request, DATA, 12)
    entry = bench.journal.entry(request.upload)
    prepared = await bench.uploader.preparation.prepare(request)
    kept = b"".join(value for _, value in bench.journal_kv.scan(b""))
    assert prepared.content_key not in kept
    assert await bench.journal.forget_due(entry.due - 1) == 0
    assert await bench.journal.forget_due(entry.due) == 1
    assert list(bench.journal_kv.scan(b"")) == []


# ---------------------------------------------------------------- memory and batches


async def test_bytes_in_flight_are_bounded(net, bench):
    bench.limit_uploads(UploadConfig(window=5 * BODY))
    seen, budget = [], bench.uploader.sending.budget
    net.fault = lambda *_: seen.append(budget.used)
    await bench.upload(DATA)
    assert max(seen) <= 5 * BODY
    assert budget.used == 0


async def test_concurrent_uploads_share_calls_and_do_not_harm_each_other(net, bench):
    before = net.chain.head.height
    requests = [bench.request(f"f{n}") for n in range(20)] + [bench.request("f3")]
    done = await bench.run(
        asyncio.gather(
            *(
                bench.uploader.upload(request, chunks(b"x" * 100), bench.reports.append)
                for request in requests
            ),
            return_exceptions=True,
        )
    )
    failures = [result for result in done if isinstance(result, Exception)]
    assert len(failures) == 1
    assert "name" in str(failures[0])
    assert len(net.index.files(net.owner.address).items) == 20
    assert net.chain.head.height - before < 45
