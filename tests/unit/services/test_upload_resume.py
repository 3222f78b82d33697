"""Uploads that go on after an end, and what they do not do twice."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from xdb.errors import (
    InvalidRequestError,
    SendAgainError,
    SourceChangedError,
    UnavailableError,
)
from xdb.model.calls import Delete, UpdateNamespace
from xdb.model.registry import Coding, Redundancy
from xdb.services.upload import pipeline
from xdb.services.upload.request import Stage
from xdb.testing.network import network
from xdb.testing.owner import SLICE, START, YEAR, OwnerBench, chunks

BODY = SLICE - 16
DATA = bytes(range(256)) * 1000  # four slices


@pytest.fixture
def encrypted(monkeypatch):
    """How often each slice was encrypted."""
    counts = Counter()
    real = pipeline.encrypt_slice

    def counting(*arguments):
        counts[arguments[3]] += 1
        return real(*arguments)

    monkeypatch.setattr(pipeline, "encrypt_slice", counting)
    return counts


async def broken_off(bench, data, request):
    """An upload whose client goes away before the end, after all it sent is stored."""

    async def source():
        async for chunk in chunks(data):
            yield chunk
        await bench.network.clock.sleep(1)  # all that is whole goes on its way
        raise UnavailableError("the client is gone")

    with pytest.raises(UnavailableError, match="client is gone"):
        await bench.run(bench.uploader.upload(request, source(), bench.reports.append))


def pushes(net):
    return sum(call == "push" for call, _ in net.calls)


async def test_what_is_stored_is_neither_encrypted_nor_sent_again(net, bench, encrypted):
    request = bench.request()
    await broken_off(bench, DATA, request)
    net.calls.clear()
    encrypted.clear()
    view = await OwnerBench(net, bench.journal_kv).upload(DATA, request)
    assert encrypted == {3: 1}
    assert pushes(net) == 3
    assert await bench.download(view) == DATA


async def test_a_resumed_upload_has_the_same_file_id_and_holders(bench):
    request = bench.request()
    await broken_off(bench, DATA, request)
    entry = bench.journal.entry(request.upload)
    view = await bench.upload(DATA, request)
    assert view.record.holders == entry.holders


async def test_progress_tells_what_was_stored_before(bench):
    request = bench.request()
    await broken_off(bench, DATA, request)
    bench.reports.clear()
    await bench.upload(DATA, request)
    assert [holder.size for holder in bench.reports[-1].holders] == [len(DATA) + 64] * 3


async def test_a_holder_that_died_meanwhile_is_replaced(net, bench):
    request = bench.request()
    await broken_off(bench, DATA, request)
    dead = bench.journal.entry(request.upload).holders[1]
    net.members[dead].up = False
    view = await bench.upload(DATA, request)
    assert dead not in view.record.holders
    assert await bench.download(view) == DATA


async def test_a_holder_that_lost_everything_gets_it_again_from_the_others(net, bench):
    request = bench.request()
    await broken_off(bench, DATA, request)
    entry = bench.journal.entry(request.upload)
    loser = net.members[entry.holders[0]]
    view_id = bench.uploader.preparation._file(entry.nonce)
    await loser.custody.store.remove(view_id, 1)
    view = await bench.upload(DATA, request)
    assert view.record.holders == entry.holders
    checks = [check async for check in bench.verification.verify(view)]
    assert [check.problem for check in checks] == [""] * 12


@pytest.mark.parametrize("rewindable", [True, False])
async def test_when_all_holders_lost_it_the_client_sends_it_once_more(net, bench, rewindable):
    request = bench.request(rewindable=rewindable)
    await broken_off(bench, DATA, request)
    entry = bench.journal.entry(request.upload)
    file = bench.uploader.preparation._file(entry.nonce)
    for slot, node in enumerate(entry.holders, start=1):
        await net.members[node].custody.store.remove(file, slot)
    with pytest.raises(SendAgainError if rewindable else UnavailableError):
        await bench.upload(DATA, request)
    if rewindable:
        view = await bench.upload(DATA, request)
        assert await bench.download(view) == DATA


async def test_the_same_upload_twice_at_once_is_refused(bench):
    request = bench.request()
    done = await bench.run(
        asyncio.gather(
            bench.uploader.upload(request, chunks(DATA), bench.reports.append),
            bench.uploader.upload(request, chunks(DATA[::-1]), bench.reports.append),
            return_exceptions=True,
        )
    )
    assert isinstance(done[1], UnavailableError)
    assert "under way in another call" in str(done[1])
    assert await bench.download(done[0]) == DATA


async def test_a_changed_source_needs_a_new_id_and_then_the_old_one_is_free(bench):
    request = bench.request()
    await broken_off(bench, DATA, request)
    with pytest.raises(SourceChangedError, match="has changed since the upload began"):
        await bench.upload(b"!" + DATA[1:], request)
    assert bench.journal.entry(request.upload) is None
    view = await bench.upload(b"!" + DATA[1:], request)
    assert await bench.download(view) == b"!" + DATA[1:]


async def test_another_policy_since_then_begins_anew(net, bench):
    request = bench.request()
    await broken_off(bench, DATA, request)
    before = bench.journal.entry(request.upload)
    two = Redundancy(Coding.COPIES, 1, 2)
    net.chain.call(net.owner.address, UpdateNamespace(before.namespace, None, two))
    await net.caught_up()
    view = await bench.upload(DATA, request)
    assert view.record.redundancy == two
    assert await bench.download(view) == DATA


async def test_a_later_expiry_counts_when_resumed(bench):
    request = bench.request()
    await broken_off(bench, DATA, request)
    view = await bench.upload(DATA, replace(request, expiry=START + 2 * YEAR))
    assert view.record.expiry == START + 2 * YEAR


# ---------------------------------------------------------------- finished before


async def test_a_finished_upload_waits_for_final_when_asked_to():
    async with network(lag=2) as net:
        bench = OwnerBench(net)
        request = bench.request()
        await bench.upload(DATA, request)
        again = asyncio.ensure_future(
            bench.uploader.upload(
                replace(request, wait=Stage.FINAL), chunks(DATA), bench.reports.append
            )
        )
        await net.clock.advance(1)
        assert not again.done()
        net.chain.tick()
        net.chain.tick()
        view = await again
        assert bench.reports[-1].stage is Stage.FINAL
        assert net.index.head.final >= 1
        assert view.record.size == len(DATA)


@pytest.fixture
def forgetful(bench, monkeypatch):
    """Its journal never hears that an upload is finished."""

    async def lost(*_):
        pass

    monkeypatch.setattr(bench.journal, "finish", lost)


@pytest.mark.usefixtures("forgetful")
async def test_what_was_published_before_the_owner_died_is_found(net, bench):
    request = bench.request()
    view = await bench.upload(DATA, request)
    net.calls.clear()
    again = await OwnerBench(net, bench.journal_kv).upload(DATA, request)
    assert again.record.file == view.record.file
    assert not net.calls


@pytest.mark.usefixtures("forgetful")
async def test_what_the_index_has_not_seen_yet_is_waited_for(net, bench, monkeypatch):
    request = bench.request()
    view = await bench.upload(DATA, request)
    heights = iter(range(2))
    real = net.index.file
    monkeypatch.setattr(
        net.index, "file", lambda file: None if next(heights, 9) < 2 else real(file)
    )
    monkeypatch.setattr(net.index, "live_file", lambda *_: None)
    again = asyncio.ensure_future(
        bench.uploader.upload(request, chunks(DATA), bench.reports.append)
    )
    await net.clock.advance(1)
    net.chain.tick()
    assert (await again).record.file == view.record.file


async def test_a_file_that_was_deleted_since_is_still_the_same_upload(net, bench):
    request = bench.request()
    view = await bench.upload(DATA, request)
    net.chain.call(net.owner.address, Delete(view.record.file))
    await net.caught_up()
    again = await bench.upload(DATA, request)
    assert again.record.file == view.record.file


# ---------------------------------------------------------------- refused early


@pytest.mark.parametrize(
    "values",
    [
        {"description": "x" * 4096},
        {"media_type": "x" * (1 << 17)},
        {"extra": (("key", "x" * (1 << 17)),)},
    ],
)
async def test_what_the_chain_or_manifest_would_not_take_is_refused_before_data(bench, values):
    async def source():
        raise AssertionError("data was taken")
        yield b""

    with pytest.raises(InvalidRequestError):
        await bench.run(
            bench.uploader.upload(bench.request(**values), source(), bench.reports.append)
        )


async def test_a_name_is_kept_composed(bench):
    view = await bench.upload(b"x", bench.request("Ma\u0308rz"))
    assert bench.catalog.details(view).label.name == "M\u00e4rz"
