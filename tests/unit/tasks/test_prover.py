import asyncio
from dataclasses import replace

import pytest

from xdb.core.probing import check_leaf
from xdb.core.sealing import commit
from xdb.errors import (
    InvalidRequestError,
    OverloadedError,
    RefusedCallError,
    UnavailableError,
)
from xdb.model.calls import Delete, Heartbeat, Release, SetNodeState, UpdateNode
from xdb.model.events import HoldingRef
from xdb.model.health import Verdict
from xdb.model.registry import NodeState
from xdb.model.storage import ReplicaKey
from xdb.store.formats import REPLICA_BODY
from xdb.testing.compute import InlineCompute
from xdb.testing.keys import NamedKey
from xdb.testing.living import EPOCH, living


@pytest.fixture
async def world():
    async with living() as made:
        yield made


async def verdicts(world, node):
    await world.net.caught_up()
    return [each.verdict for each in world.net.index.audits.verdicts(node, 0)]


def spoil(world, node, change, file=b""):
    """Changes replicas on a member's disk."""
    disk = world.net.members[node].disk
    for path in list(disk._names):
        if path.startswith("replicas/") and file in disk._names[path].content:
            disk.rot(path, change)


def flip(data):
    place = REPLICA_BODY + 5
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


async def test_one_proof_an_epoch_over_all_that_a_node_holds(world):
    for number in range(3):
        await world.bench.upload(bytes([number]) * 200_000, world.bench.request(f"f{number}"))
    await world.epochs(3)
    holders = [node for node in world.net.members if world.net.index.node(node).holdings]
    for node in holders:
        report = world.reports[node]
        assert (report.epoch, report.draws, report.lost, report.note) == (3, 16, 0, "")
        assert report.read > 0
        again = await world.prover(node).run_once()
        assert again.note == "epoch 3 is proved"
    await world.epochs()
    for node in holders:
        assert await verdicts(world, node) == [Verdict.PROVED] * 2


async def test_nothing_is_sealed_or_proved_before_there_is_something(world):
    node = next(iter(world.net.members))
    assert (await world.prover(node).run_once()).note == "no epoch has a seed yet"
    await world.begin_epoch()
    report = await world.prover(node).run_once()
    assert (report.sealed, report.note) == (0, "epoch 1 asks nothing of this node")


async def test_what_came_in_is_sealed_as_soon_as_its_epoch_is_over(world):
    view = await world.bench.upload(b"x" * 1000)
    node = view.record.holders[0]
    assert (await world.prover(node).run_once()).sealed == 0
    await world.begin_epoch()
    assert (await world.prover(node).run_once()).sealed == 1
    assert world.net.index.audits.unsealed(node) is None


@pytest.mark.parametrize("how", ["flipped", "missing", "short"])
async def test_what_is_not_as_it_was_is_admitted_and_listed(world, how):
    view = await world.bench.upload(b"x" * 200_000)
    await world.epochs(2)
    node = view.record.holders[1]
    changes = {"flipped": flip, "missing": lambda _: None, "short": lambda data: data[:-1]}
    spoil(world, node, changes[how])
    await world.epochs(2)
    found = world.net.index.audits.audit(node, world.epoch - 1)
    assert found.verdict is Verdict.FAILED
    assert found.lost == (HoldingRef(view.record.file, 2),)
    assert world.net.index.file(view.record.file).lost == (2,)
    store = world.net.members[node].custody.store
    assert list(store.catalog.damaged())
    assert all(world.reports[other].lost == 0 for other in view.record.holders if other != node)


async def test_one_bad_replica_among_many_costs_its_holding_only(world):
    good = await world.bench.upload(b"g" * 200_000, world.bench.request("good"))
    bad = await world.bench.upload(b"b" * 200_000, world.bench.request("bad"))
    await world.epochs(2)
    shared = set(good.record.holders) & set(bad.record.holders)
    node = min(shared)
    spoil(world, node, flip, bad.record.file)
    await world.epochs(3)
    slot = bad.record.holders.index(node) + 1
    assert world.net.index.file(bad.record.file).lost == (slot,)
    assert world.net.index.file(good.record.file).lost == ()
    assert (await verdicts(world, node)).count(Verdict.FAILED) == 1


async def test_a_proof_that_a_full_node_cannot_make_now_is_made_later(world, monkeypatch):
    view = await world.bench.upload(b"x" * 200_000)
    await world.epochs(2)
    node = view.record.holders[0]
    store = world.net.members[node].custody.store
    get = store.get

    async def busy(*_):
        raise OverloadedError("too much to do")

    await world.begin_epoch()
    monkeypatch.setattr(store, "get", busy)
    with pytest.raises(OverloadedError):
        await world.prover(node).run_once()
    monkeypatch.setattr(store, "get", get)
    assert (await world.prover(node).run_once()).lost == 0


async def test_a_chain_that_does_not_answer_leaves_the_proof_for_the_next_cycle(world):
    view = await world.bench.upload(b"x" * 1000)
    await world.epochs(1)
    node = view.record.holders[0]
    prover = world.prover(node)

    class Mute:
        parameters = prover.registry.parameters

        async def submit(self, _call):
            raise UnavailableError("no answer")

    await world.begin_epoch()
    with pytest.raises(UnavailableError):
        await type(prover)(node, prover.signer, prover.index, Mute(), prover.answering).run_once()
    assert (await prover.run_once()).draws == 16


async def test_a_file_moved_out_by_deletion_and_release_is_never_held_against_its_holders(world):
    view = await world.bench.upload(b"x" * 200_000)
    keep = await world.bench.upload(b"y" * 1000, world.bench.request("keep"))
    await world.epochs(2)
    chain = world.net.chain
    chain.call(world.net.owner.address, Delete(view.record.file))
    chain.advance(chain.parameters.retention)
    await world.begin_epoch()
    for node in view.record.holders:
        await world.net.members[node].custody.store.remove(
            view.record.file, view.record.holders.index(node) + 1
        )
    chain.call(world.net.owner.address, Release(view.record.file))
    await world.net.caught_up()
    await world.prove()
    await world.epochs(2)
    for node in view.record.holders:
        if node in keep.record.holders:
            assert Verdict.FAILED not in await verdicts(world, node)


async def test_an_offline_node_proves_and_one_that_left_does_not(world):
    view = await world.bench.upload(b"x" * 1000)
    await world.epochs(1)
    node = view.record.holders[0]
    key = world.net.members[node].key
    world.net.chain.call(key.address, SetNodeState(NodeState.OFFLINE))
    await world.epochs(1)
    assert world.reports[node].draws == 16


async def test_a_replaced_signer_proves_from_its_epoch_on(world):
    view = await world.bench.upload(b"x" * 1000)
    await world.epochs(1)
    node = view.record.holders[0]
    old, new = world.net.members[node].key, NamedKey("successor")
    world.net.chain.call(old.address, UpdateNode(signer=new.address))
    world.net.members[node].up = False  # its heartbeats would be signed by the old one
    await world.begin_epoch()
    report = await world.prover(node).run_once()
    assert report.note == "this node's signer is another one in this epoch"
    prover = world.prover(node)
    heir = type(prover)(
        node,
        new.address,
        prover.index,
        world.net.chain.registry(new, world.net.entropy),
        prover.answering,
    )
    assert (await heir.run_once()).draws == 16


async def test_what_another_prover_of_the_node_did_is_fine(world):
    view = await world.bench.upload(b"x" * 1000)
    await world.begin_epoch()
    node = view.record.holders[0]
    await world.epochs(1)
    await world.begin_epoch()
    first, second = world.prover(node), world.prover(node)
    reports = await asyncio.gather(first.run_once(), second.run_once())
    assert sorted(report.draws for report in reports) == [0, 16]
    assert any("nothing to do" in report.note for report in reports)


async def test_a_proof_refused_for_what_it_says_is_a_failure_of_the_cycle(world, monkeypatch):
    view = await world.bench.upload(b"x" * 200_000)
    await world.epochs(1)
    node = view.record.holders[0]
    await world.begin_epoch()
    prover = world.prover(node)
    monkeypatch.setattr(type(prover.index.audits), "leaves", lambda *_: 1)
    with pytest.raises(RefusedCallError, match="draw 0"):
        await prover.run_once()


async def test_proofs_count_whatever_the_machines_clock_says(world):
    view = await world.bench.upload(b"x" * 1000)
    await world.epochs(1)
    await world.net.clock.advance(40 * EPOCH)
    node = view.record.holders[0]
    world.net.chain.call(world.net.members[node].key.address, Heartbeat(node))
    await world.epochs(1)
    assert world.reports[node].draws == 16


class Meanwhile(InlineCompute):
    """Something happens while a replica that was read is hashed, once."""

    def __init__(self, happens):
        self.happens = happens

    async def in_process(self, work, source, *args):
        happens, self.happens = self.happens, None
        if happens is not None:
            await happens()
        return await super().in_process(work, source, *args)


async def test_what_is_restored_while_it_is_read_is_not_admitted_to_be_lost(world):
    view = await world.bench.upload(b"x" * 200_000)
    await world.epochs(2)
    node = view.record.holders[1]
    member = world.net.members[node]
    good = {name: file.content for name, file in member.disk._names.items()}
    spoil(world, node, flip)
    await world.begin_epoch()

    async def restored():
        for path, content in good.items():
            member.disk.rot(path, lambda _, content=content: content)

    prover = world.prover(node)
    answering = replace(prover.answering, compute=Meanwhile(restored))
    report = await replace(prover, answering=answering).run_once()
    assert (report.draws, report.lost) == (16, 0)
    assert world.net.index.file(view.record.file).lost == ()


async def test_a_disk_that_was_away_for_a_moment_has_lost_nothing(world):
    view = await world.bench.upload(b"x" * 200_000)
    await world.epochs(2)
    node = view.record.holders[1]
    disk = world.net.members[node].disk
    store = world.net.members[node].custody.store
    await world.begin_epoch()

    def away(operation, path):
        if operation == "read":
            raise UnavailableError(f"{path}: Input/output error")

    disk.step, before = away, disk.step
    for _ in range(2):
        with pytest.raises(UnavailableError, match="cannot be read"):
            await world.prover(node).run_once()
    assert list(store.catalog.damaged())  # and can be restored, if it stays so
    disk.step = before
    assert (await world.prover(node).run_once()).lost == 0
    assert not list(store.catalog.damaged())


async def test_what_cannot_be_read_for_long_is_admitted_in_time(world):
    view = await world.bench.upload(b"x" * 200_000)
    await world.epochs(2)
    node = view.record.holders[1]
    await world.begin_epoch()

    def bad(operation, path):
        if operation == "read":
            raise UnavailableError(f"{path}: Input/output error")

    world.net.members[node].disk.step = bad
    with pytest.raises(UnavailableError, match="cannot be read"):
        await world.prover(node).run_once()
    world.net.chain.advance(EPOCH // 4)
    await world.net.caught_up()
    assert (await world.prover(node).run_once()).lost == 1


@pytest.mark.parametrize("piece", [4, 9])
@pytest.mark.parametrize("when", ["before", "behind"])
async def test_pieces_that_an_owner_pushes_beyond_the_file_frame_nobody(world, piece, when):
    """Else an owner could make a node admit to have lost what it holds well."""
    view = await world.bench.upload(b"x" * 200_000)
    node = view.record.holders[1]
    store = world.net.members[node].custody.store
    extra = b"anything" * 1000
    commitment = commit(extra, store.leaf_size)
    ref = store.slot(view.record.file, 2).ref
    if when == "before":  # that it was accepted, as far as the store is concerned
        assert not await store.put(ref, piece, commitment, extra)
    else:
        custody = world.net.members[node].custody
        with pytest.raises(InvalidRequestError, match="4 pieces"):
            await custody.push(world.net.owner.address, ref, piece, commitment, extra)
    await world.epochs(3)
    assert world.reports[node].lost == 0
    assert world.net.index.file(view.record.file).lost == ()
    shown = await world.net.members[node].probing.leaf(
        world.net.owner.address, ReplicaKey(view.record.file, 2, 0), 0
    )
    holding = view.holdings[1]
    key = ReplicaKey(view.record.file, 2, 0)
    check_leaf(shown, store.leaf_size, holding, key, 0)
