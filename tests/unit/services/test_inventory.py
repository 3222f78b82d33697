import pytest

from xdb.core.migration import Action, Step
from xdb.errors import UnavailableError
from xdb.model.calls import Release
from xdb.model.storage import ReplicaKey
from xdb.services.inventory import Inventoried, Inventory
from xdb.services.repair.job import Outcome
from xdb.services.surrender import Surrendering
from xdb.store import catalog
from xdb.store.kv_memory import MemoryKeyValue
from xdb.testing.disk import MemoryDisk
from xdb.testing.network import START, network
from xdb.testing.owner import YEAR, OwnerBench
from xdb.testing.turns import turns

DATA = bytes(range(256)) * 1000  # four slices


@pytest.fixture
async def net():
    async with network() as made:
        yield made


@pytest.fixture
def bench(net):
    return OwnerBench(net)


def inventory(net, node, **options):
    return Inventory(node, net.index, net.members[node].custody.store, net.clock, **options)


def listed(net, node):
    return list(net.members[node].custody.store.catalog.damaged())


async def replace_disk(net, node):
    member = net.members[node]
    member.disk, member.kv = MemoryDisk(), MemoryKeyValue()
    await net.restart(node)


@pytest.fixture
async def robbed(net, bench):
    """A file, and the holder of its slot 2 with an empty disk."""
    view = await bench.upload(DATA)
    node = view.record.holders[1]
    await replace_disk(net, node)
    return view, node


def step(view, action, node):
    record = view.record
    return Step(action, record.file, record.version, 2, record.holders[1], node, 0, "test")


async def test_what_is_whole_is_not_listed(net, bench):
    view = await bench.upload(DATA)
    for node in view.record.holders:
        assert await inventory(net, node).run_once() == Inventoried(1)
        assert listed(net, node) == []


async def test_a_missing_slot_is_listed_once_and_keeps_its_time(net, robbed):
    view, node = robbed
    assert await inventory(net, node).run_once() == Inventoried(1, 1)
    (damage,) = listed(net, node)
    assert (damage.file, damage.slot, damage.manifest) == (view.record.file, 2, True)
    assert damage.reason == "the slot is missing"
    net.chain.advance(100)
    await net.caught_up()
    assert await inventory(net, node).run_once() == Inventoried(1)
    assert listed(net, node) == [damage]


async def test_only_the_owner_is_shown_it(net, robbed):
    view, node = robbed
    await inventory(net, node).run_once()
    probing = net.members[node].probing
    shown, _ = await probing.damaged(net.owner.address, b"", 0)
    assert [(each.file, each.slot) for each in shown] == [(view.record.file, 2)]
    assert (await probing.damaged(node, b"", 0))[0] == []


async def test_the_owner_restores_it_in_place(net, bench, robbed):
    view, node = robbed
    await inventory(net, node).run_once()
    done = await bench.run(bench.repairer.carry_out(step(view, Action.RESTORE, node)))
    assert done.outcome is Outcome.DONE
    assert listed(net, node) == []
    assert await inventory(net, node).run_once() == Inventoried(1)
    for other in view.record.holders:
        net.members[other].up = other == node
    assert await OwnerBench(net).download(view) == DATA


async def test_a_slot_that_is_not_accepted_is_missing(net, robbed):
    view, node = robbed
    source = net.peers().peer(net.index.node_record(view.record.holders[0]))
    assert await source.pull_manifest(view.record.file, 1)
    store = net.members[node].custody.store
    batch = catalog.Batch()
    entry = catalog.SlotEntry(net.owner.address, bytes(16), START)
    catalog.put_slot(batch, view.record.file, 2, entry)
    await store.files.commit(batch)
    assert (await inventory(net, node).run_once()).missing == 1


async def test_missing_pieces_of_an_accepted_slot_are_listed_and_restored(net, bench):
    view = await bench.upload(DATA)
    node, file = view.record.holders[1], view.record.file
    store = net.members[node].custody.store
    for piece in (1, 3):
        await store.catalog.kv.write({catalog._replica_key(_key(file, piece)): None}, sync=True)
    assert await inventory(net, node).run_once() == Inventoried(1, 2)
    assert [each.piece for each in listed(net, node)] == [1, 3]
    assert await store.verify_manifest(file, 2)  # sound, and no reason to strike off a piece
    assert len(listed(net, node)) == 2
    restored = bench.repairer.carry_out(step(view, Action.RESTORE, node), (1, 3))
    assert (await bench.run(restored)).outcome is Outcome.DONE
    assert listed(net, node) == []


async def test_removing_a_slot_removes_what_is_listed_of_its_missing_pieces(net, bench):
    view = await bench.upload(DATA)
    node, file = view.record.holders[1], view.record.file
    store = net.members[node].custody.store
    await store.catalog.kv.write({catalog._replica_key(_key(file, 1)): None}, sync=True)
    await inventory(net, node).run_once()
    await store.remove(file, 2)
    assert listed(net, node) == []


def _key(file, piece):
    return ReplicaKey(file, 2, piece)


async def test_it_is_given_up_when_nobody_restores_it_in_time(net, robbed):
    view, node = robbed
    await inventory(net, node).run_once()
    member = net.members[node]
    registry = net.chain.registry(member.key, net.entropy)
    surrendering = Surrendering(node, net.index, member.custody.store, registry, net.clock, 3600)
    assert (await surrendering.run_once()).slots == ()
    net.chain.advance(3600)
    await net.caught_up()
    assert (await surrendering.run_once()).slots == ((view.record.file, 2),)
    await net.caught_up()
    assert net.index.file(view.record.file).lost == (2,)
    assert await inventory(net, node).run_once() == Inventoried()  # held no more
    assert len(listed(net, node)) == 1


@pytest.mark.parametrize("how", ["moved", "gone", "released"])
async def test_it_is_struck_off_when_the_record_names_the_node_no_more(net, bench, robbed, how):
    view, node = robbed
    await inventory(net, node).run_once()
    if how == "moved":
        target = next(each for each in net.members if each not in view.record.holders)
        done = await bench.run(bench.repairer.carry_out(step(view, Action.MOVE, target)))
        assert done.outcome is Outcome.DONE
    else:
        net.chain.advance(YEAR + net.chain.parameters.retention)
        if how == "released":
            net.chain.call(net.owner.address, Release(view.record.file))
    await net.caught_up()
    assert (await inventory(net, node).run_once()).struck_off == 1
    assert listed(net, node) == []


async def test_a_cycle_looks_at_a_part_and_goes_on_from_there(net, bench):
    views = [await bench.upload(b"x", bench.request(f"file {each}")) for each in range(5)]
    node = max(net.members, key=lambda each: net.index.node(each).holdings)
    held = sum(node in view.record.holders for view in views)
    await replace_disk(net, node)
    task = inventory(net, node, limit=2)
    missing = 0
    for _ in range(-(-held // 2)):
        report = await task.run_once()
        assert report.looked_at <= 2
        missing += report.missing
    assert missing == held
    assert (await task.run_once()).looked_at > 0  # from the start again
    net.chain.advance(YEAR + net.chain.parameters.retention)
    await net.caught_up()
    struck_off = [(await task.run_once()).struck_off for _ in range(4)]
    assert max(struck_off) <= 2
    assert sum(struck_off) == held


async def test_what_cannot_be_compared_stops_nothing(net, bench, monkeypatch):
    for each in range(3):
        await bench.upload(b"x", bench.request(f"file {each}"))
    node = max(net.members, key=lambda each: net.index.node(each).holdings)
    held = net.index.held_by(node).items
    await replace_disk(net, node)
    store = net.members[node].custody.store
    list_missing = store.list_missing

    async def stubborn(file, slot, missing, reason):
        if file == held[0][0]:
            raise UnavailableError("the disk is busy")
        return await list_missing(file, slot, missing, reason)

    monkeypatch.setattr(store, "list_missing", stubborn)
    report = await inventory(net, node).run_once()
    assert report.missing == len(held) - 1
    assert len(report.problems) == 1


async def test_what_came_meanwhile_is_not_listed(net, robbed):
    """Whether it is missing is asked again when nobody is at the slot."""
    view, node = robbed
    store = net.members[node].custody.store
    answers = iter([[None], []])
    listing = store.list_missing(view.record.file, 2, lambda: next(answers), "missing")
    next(answers)
    assert await listing == 0
    assert listed(net, node) == []


async def test_a_cycle_holds_up_nobody(net, bench):
    views = [await bench.upload(b"x" * 100, bench.request(f"f{number}")) for number in range(9)]
    node = max(net.members, key=lambda each: net.index.node(each).holdings)
    held = net.index.node(node).holdings
    assert len(views) > held // 2
    assert await turns(inventory(net, node).run_once()) >= held
