"""Verify reads everything back."""

from dataclasses import replace

import pytest

from xdb.core.merkle import extension_siblings, shrink_siblings
from xdb.core.rebuild import rebuild_piece
from xdb.core.sealing import commit
from xdb.errors import UnavailableError
from xdb.model.calls import Extend, Shrink, Surrender
from xdb.model.storage import RECORDED, ReplicaKey, SlotRef

DATA = bytes(range(256)) * 1000  # four slices


@pytest.fixture
async def view(bench):
    return await bench.upload(DATA)


async def checks(bench, view):
    return [check async for check in bench.verification.verify(view)]


async def test_every_replica_is_read_once_in_order(bench, view):
    found = await checks(bench, view)
    assert [(check.slot, check.piece) for check in found] == [
        (slot, piece) for slot in (1, 2, 3) for piece in range(4)
    ]
    assert [check.checked for check in found] == list(range(1, 13))
    assert {check.total for check in found} == {12}
    assert not any(check.problem for check in found)


async def test_a_slow_reader_is_not_overtaken_by_much(net, bench, view):
    net.calls.clear()
    found = bench.verification.verify(view)
    await anext(found)
    await net.clock.advance(1)
    assert sum(call == "pull" for call, _ in net.calls) <= 4
    await found.aclose()


async def test_what_is_missing_or_other_is_named(net, bench, view):
    holders = [net.members[node] for node in view.record.holders]
    holders[0].disk.lose(holders[0].disk.files("replicas")[2])
    holders[1].disk.corrupt(holders[1].disk.files("replicas")[0])
    holders[2].up = False
    found = await checks(bench, view)
    by_slot = [[check.problem for check in found if check.slot == slot] for slot in (1, 2, 3)]
    assert sum("missing" in problem for problem in by_slot[0]) == 1
    assert sum(problem == "its bytes are other ones" for problem in by_slot[1]) == 1
    assert all("does not answer" in problem for problem in by_slot[2])


async def test_bytes_of_another_length_are_named(net, bench, view):
    liar = view.record.holders[1]
    net.tamper = lambda data, node: data[:-1] if node == liar and len(data) > 60_000 else data
    found = await checks(bench, view)
    assert any("bytes where" in check.problem for check in found if check.slot == 2)


async def test_without_a_manifest_there_is_nothing_to_compare_with(net, bench, view):
    for node in view.record.holders:
        net.members[node].up = False
    bench.opener.manifests._kept.clear()
    with pytest.raises(UnavailableError, match="gave its manifest"):
        await checks(bench, view)


async def test_a_slot_that_was_given_up_is_named(net, bench, view):
    node = view.record.holders[2]
    net.chain.call(net.members[node].key.address, Surrender(node, view.record.file, 3))
    await net.caught_up()
    found = await checks(bench, net.index.file(view.record.file))
    assert {check.problem for check in found if check.slot == 3} == {"its node gave it up"}


@pytest.fixture
async def extended(net, bench, view):
    """The file with a fourth slot, which stands in no manifest; and that slot's member."""
    opened, record = await bench.opener.open(view), view.record
    (node,) = set(net.members) - set(record.holders)
    peers, four = net.peers(), replace(record.redundancy, total=4)
    ref = SlotRef(record.file, 4, net.owner.address, RECORDED)
    for piece in range(opened.layout.count):
        first = peers.peer(net.index.node(record.holders[0]).record)
        sealed = await first.pull(ReplicaKey(record.file, 1, piece))
        length = opened.layout.cipher_length(piece)
        data = rebuild_piece(four, length, {1: sealed}, opened.sealing_key, piece, 4)
        commitment = commit(data, opened.manifest.leaf_size)
        await peers.peer(net.index.node(node).record).push(ref, piece, commitment, data)
    new = peers.peer(net.index.node(node).record)
    holder = await new.accept(ref, opened.data, record.expiry, record.version + 1)
    leaves = [record.manifest, *(holding.root for holding in view.holdings)]
    call = Extend(record.file, record.version, holder, tuple(extension_siblings(leaves)))
    net.chain.call(net.owner.address, call)
    await net.caught_up()
    return net.index.file(record.file), net.members[node]


async def test_an_added_slot_is_judged_by_its_root(bench, extended):
    view, member = extended
    assert not any(check.problem for check in await checks(bench, view))
    member.disk.corrupt(member.disk.files("replicas")[1])
    found = [check.problem for check in await checks(bench, view) if check.slot == 4]
    assert found[:3] == [""] * 3
    assert "at least one of its replicas is wrong" in found[3]


@pytest.fixture
async def shrunk(net, view):
    """The file without its last slot."""
    record = view.record
    leaves = [record.manifest, *(holding.root for holding in view.holdings)]
    call = Shrink(record.file, record.version, shrink_siblings(leaves))
    net.chain.call(net.owner.address, call)
    await net.caught_up()
    return net.index.file(record.file)


async def test_a_shrunk_file_is_verified_in_the_slots_that_stay(net, bench, shrunk):
    bench.opener.manifests._kept.clear()
    found = await checks(bench, shrunk)
    assert {check.slot for check in found} == {1, 2}
    assert not any(check.problem for check in found)
    for node in shrunk.record.holders[:1]:
        net.members[node].up = False
    assert await bench.download(shrunk) == DATA


async def test_an_added_slot_alone_restores_the_file(net, bench, extended):
    view, _ = extended
    for node in view.record.holders[:3]:
        net.members[node].up = False
    assert await bench.download(view) == DATA


async def test_wrong_bytes_of_an_added_slot_are_not_returned(net, bench, extended):
    view, member = extended
    for node in view.record.holders[:2]:
        net.members[node].up = False
    net.tamper = lambda data, node: b"x" + data[1:] if node == member.node else data
    assert await bench.download(view) == DATA
