from dataclasses import replace

import pytest

from xdb.core.encoding import encode
from xdb.core.migration import Action, Hold, MigrationConfig
from xdb.errors import UnavailableError
from xdb.index.keys import file_key
from xdb.model.calls import Delete, SetNodeState, Surrender, UpdateNamespace
from xdb.model.health import Colour, Kind, Subject
from xdb.model.registry import Coding, NodeState, Redundancy
from xdb.model.storage import ReplicaKey
from xdb.services.observations import SlotDamage
from xdb.services.repair import planning
from xdb.store.formats import REPLICA_BODY
from xdb.testing.living import living
from xdb.testing.repair import problems

DATA = b"every byte counts " * 12_000


@pytest.fixture
async def world():
    async with living(5) as made:
        yield made


async def uploaded(world, name="file"):
    view = await world.bench.upload(DATA, world.bench.request(name))
    await world.epochs(2)
    return view


def now(world, view):
    return world.net.index.file(view.record.file)


async def given_up(world, view, slot):
    """The holder of a slot surrenders it."""
    node = view.record.holders[slot - 1]
    call = Surrender(node, view.record.file, slot)
    world.net.chain.call(world.net.members[node].key.address, call)
    await world.net.caught_up()


def colour(world, view):
    return world.book.colour(Subject(Kind.FILE, view.record.file))


async def whole(world, view):
    """Green, every replica as it should be, every byte as it was."""
    await world.health.run_once()
    assert colour(world, view) is Colour.GREEN
    assert await world.bench.run(problems(world.bench, now(world, view))) == []
    assert await world.bench.download(now(world, view)) == DATA


async def test_nothing_is_done_while_all_is_well(world):
    view = await uploaded(world)
    assert await world.planner.plan() == type(await world.planner.plan())((), ())
    report = await world.care()
    assert not any(getattr(report, field) for field in ("moved", "restored", "problems"))
    await whole(world, view)


async def test_a_slot_that_was_given_up_is_made_again(world):
    view = await uploaded(world)
    await given_up(world, view, 2)
    report = await world.care()
    assert (report.moved, report.problems) == (1, ())
    await whole(world, view)


async def test_damage_is_restored_in_place_without_a_transaction(world):
    view = await uploaded(world)
    node = view.record.holders[0]
    disk, store = world.net.members[node].disk, world.net.members[node].custody.store
    for path in [path for path in disk._names if path.startswith("replicas/")][:2]:
        disk.rot(path, lambda data: data[:REPLICA_BODY] + bytes(len(data) - REPLICA_BODY))
    for part in list(store.catalog.parts()):
        if part.piece is not None:
            await store.verify(ReplicaKey(part.file, part.slot, part.piece))
    height = world.net.chain.head.height
    report = await world.care()
    assert (report.restored, report.moved) == (1, 0)
    assert world.net.chain.head.height == height
    assert list(store.catalog.damaged()) == []
    await whole(world, view)


async def test_a_dead_nodes_slots_go_elsewhere_once_it_was_silent_for_long(world):
    view = await uploaded(world)
    dead = view.record.holders[2]
    world.net.members[dead].up = False
    await world.care()
    assert dead in now(world, view).record.holders
    await world.epochs()
    await world.care()
    world.net.chain.advance(world.net.chain.parameters.unreachable)
    await world.net.caught_up()
    await world.care()
    assert dead not in now(world, view).record.holders
    await whole(world, view)


async def test_what_passes_by_itself_is_left_alone_for_the_grace(world):
    world.config = MigrationConfig(grace=3 * 3600.0)
    world.restart_owner()
    view = await uploaded(world)
    dead = view.record.holders[2]
    world.net.members[dead].up = False
    await world.care()
    for _ in range(2):
        await world.epochs()
        await world.care()
    plan = await world.planner.plan()
    assert [each.hold for each in plan.deferred] == [Hold.GRACE]
    world.net.members[dead].up = True
    await world.epochs(2)
    await world.care()
    assert now(world, view).record.version == 1
    await whole(world, view)


async def test_a_draining_node_hands_its_slots_over(world):
    view = await uploaded(world)
    leaver = view.record.holders[0]
    key = world.net.members[leaver].key
    world.net.chain.call(key.address, SetNodeState(NodeState.DRAINING))
    await world.net.caught_up()
    await world.auditor.run_once()
    await world.health.run_once()
    pulled = []
    world.net.fault = lambda call, node: pulled.append((call, node))
    report = await world.migrator.run_once()
    assert report.handed_over == 1
    assert {node for call, node in pulled if call == "pull"} == {leaver}
    await whole(world, view)
    world.net.chain.call(key.address, SetNodeState(NodeState.LEFT))
    world.net.members[leaver].up = False
    await world.epochs()
    await whole(world, view)


async def test_a_larger_and_a_smaller_policy_are_followed(world):
    view = await uploaded(world)
    namespace = view.record.namespace
    for total, counts in ((5, "extended"), (2, "shrunk")):
        call = UpdateNamespace(namespace, None, Redundancy(Coding.COPIES, 1, total))
        world.net.chain.call(world.net.owner.address, call)
        await world.net.caught_up()
        report = await world.care()
        assert getattr(report, counts) == abs(total - (3 if total == 5 else 5))
        assert len(now(world, view).record.holders) == total
        await whole(world, view)


async def test_erasure_coded_slots_are_made_again_too(world):
    await world.net.create_namespace("coded", total=4, required=2)
    request = world.bench.request("c", namespace="coded")
    view = await world.bench.upload(DATA, request)
    await world.epochs(2)
    for slot in (1, 3):
        await given_up(world, view, slot)
    assert (await world.care()).moved == 2
    await whole(world, view)


async def test_a_failing_step_stops_no_other(world):
    first, second = await uploaded(world, "first"), await uploaded(world, "second")
    for view in (first, second):
        await given_up(world, view, 1)
    plan = await world.planner.plan()
    bad = plan.steps[0]

    class Stubborn:
        def __init__(self, repairer):
            self.repairer = repairer

        async def carry_out(self, step, pieces):
            if step.file == bad.file:
                raise UnavailableError("not today")
            return await self.repairer.carry_out(step, pieces)

    task = replace(world.migrator, repairer=Stubborn(world.bench.repairer))
    report = await world.bench.run(task.run_once())
    assert report.moved == 1
    assert "not today" in report.problems[0]
    assert (await world.care()).moved == 1
    for view in (first, second):
        await whole(world, view)


async def test_a_file_in_retention_is_kept_up_and_one_that_is_gone_is_not(world):
    view = await uploaded(world)
    chain = world.net.chain
    chain.call(world.net.owner.address, Delete(view.record.file))
    await given_up(world, view, 2)
    (step,) = (await world.planner.plan()).steps
    assert (step.action, step.slot) == (Action.MOVE, 2)
    chain.advance(chain.parameters.retention)
    await world.net.caught_up()
    assert (await world.planner.plan()).steps == ()


async def test_a_plan_changes_nothing(world):
    view = await uploaded(world)
    await given_up(world, view, 2)
    height = world.net.chain.head.height
    before = now(world, view)
    first, second = await world.planner.plan(), await world.planner.plan()
    assert first == second
    assert len(first.steps) == 1
    assert (world.net.chain.head.height, now(world, view)) == (height, before)


async def test_good_slots_leave_a_red_node(world):
    view = await uploaded(world)
    node = view.record.holders[0]
    window = world.net.chain.parameters.health_window
    await world.epochs(window)
    world.net.members[node].up = False
    await world.epochs(window // 2 + 2)
    world.net.members[node].up = True
    await world.epochs(1)
    await world.health.run_once()
    assert world.book.colour(Subject(Kind.NODE, node)) is Colour.RED
    await world.care()
    assert node not in now(world, view).record.holders
    await whole(world, view)


async def test_two_owners_processes_that_repair_at_once_do_no_harm(world):
    view = await uploaded(world)
    await given_up(world, view, 2)
    await world.auditor.run_once()
    (step,) = (await world.planner.plan()).steps
    other = world.bench.make_repairer()
    await world.bench.run(other.carry_out(step))
    report = await world.care()
    assert (report.moved, report.problems) == (0, ())
    assert now(world, view).record.version == 2
    await whole(world, view)


async def test_damage_does_not_go_with_a_slot_that_moves(world):
    view = await uploaded(world)
    damage = SlotDamage(1, (0,), manifest=False, shown=True, node=view.record.holders[1])
    await world.observations.seen(view.record.file, 2, damage)
    await given_up(world, view, 2)
    report = await world.bench.run(world.migrator.run_once())
    assert report.moved == 1
    assert world.observations.damage(view.record.file, 2) is None
    await whole(world, view)


async def test_files_that_cannot_be_helped_do_not_keep_others_waiting(world):
    """A plan as full of them as a cycle allows would be the same again in the next."""
    views = [await uploaded(world, name) for name in ("first", "second", "third")]
    for view in views:
        await given_up(world, view, 1)
    world.config = MigrationConfig(grace=0.0, steps_per_cycle=1)
    world.restart_owner()
    hopeless = {step.file for step in (await world.planner.plan()).steps}

    class Stubborn:
        async def carry_out(self, step, pieces):
            if step.file in hopeless:
                raise UnavailableError("never")
            return await world.bench.repairer.carry_out(step, pieces)

    task = replace(world.migrator, repairer=Stubborn())
    reports = [await world.bench.run(task.run_once()) for _ in range(6)]
    assert sum(report.moved for report in reports) == 2
    assert sum(len(report.problems) for report in reports) >= 2  # it was tried again


async def test_the_most_endangered_file_comes_first_however_many_are_in_need(world, monkeypatch):
    monkeypatch.setattr(planning, "MOST_FILES", 2)
    monkeypatch.setattr(planning, "PAGE", 1)
    old = await uploaded(world, "old")
    new = [await uploaded(world, f"new{number}") for number in range(5)]
    for view in (old, *new):
        await given_up(world, view, 1)
    await given_up(world, old, 2)
    plan = await world.planner.plan()
    assert plan.steps[0].file == old.record.file
    assert len({step.file for step in plan.steps}) == 2


@pytest.mark.parametrize("poison", ["record", "damage", "colour", "probe"])
async def test_one_record_that_cannot_be_read_stops_neither_health_nor_repair(world, poison):
    bad, good = await uploaded(world, "bad"), await uploaded(world, "good")
    await given_up(world, good, 2)
    await world.auditor.run_once()
    subject = Subject(Kind.FILE, good.record.file)
    keys = {
        "record": (world.net.index._kv, file_key(bad.record.file)),
        "damage": (world.bench.journal_kv, b"probe/d/" + good.record.file + (2).to_bytes(8, "big")),
        "colour": (world.bench.journal_kv, b"health/c/" + bytes([subject.kind]) + subject.id),
        "probe": (world.bench.journal_kv, b"probe/n/" + good.record.holders[0]),
    }
    kv, key = keys[poison]
    await kv.write({key: b"\xff"}, sync=False)
    health = await world.health.run_once()
    assert len(health.problems) == (poison == "record")
    report = await world.bench.run(world.migrator.run_once())
    assert (report.moved, report.problems) == (1, ())
    await world.auditor.run_once()
    if poison == "record":
        await kv.write({key: encode(bad)}, sync=False)
    await whole(world, good)
