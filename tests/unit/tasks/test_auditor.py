from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from xdb.errors import AuthError, OverloadedError, UnavailableError
from xdb.model.calls import Surrender
from xdb.model.health import Silence
from xdb.model.storage import LeafShown, ReplicaKey
from xdb.store.formats import REPLICA_BODY
from xdb.testing.keys import NamedKey
from xdb.testing.living import living


@pytest.fixture
async def world():
    async with living() as made:
        yield made


async def uploaded(world, name="file"):
    return await world.bench.upload(b"x" * 200_000, world.bench.request(name))


def rot(world, node, change=lambda data: data[:REPLICA_BODY] + bytes(len(data) - REPLICA_BODY)):
    disk = world.net.members[node].disk
    for path in [path for path in disk._names if path.startswith("replicas/")]:
        disk.rot(path, change)


def refuse_with(world, error, nodes=None):
    def fault(_call, node):
        if nodes is None or node in nodes:
            raise error

    world.net.fault = fault


async def test_all_is_well(world):
    await uploaded(world)
    report = await world.auditor.run_once()
    assert (report.asked, report.silent, report.right, report.wrong) == (4, 0, 12, 0)
    assert list(world.observations.damages()) == []
    assert {world.observations.is_reachable(node) for node in world.net.members} == {True}


async def test_a_node_that_does_not_answer_is_silent_until_it_does(world):
    view = await uploaded(world)
    node = view.record.holders[0]
    start = world.net.index.head.time
    world.net.members[node].up = False
    with capture_logs() as logs:
        for _ in range(3):
            assert (await world.auditor.run_once()).silent == 1
            world.net.chain.advance(30)
            await world.net.caught_up()
    assert [entry["event"] for entry in logs] == ["node.silent"]
    world.restart_owner()
    assert world.observations.silence(node) == Silence(start, start + 60)
    world.net.members[node].up = True
    assert (await world.auditor.run_once()).silent == 0
    assert world.observations.silence(node) is None


@pytest.mark.parametrize("error", [OverloadedError("busy"), AuthError("not you")])
async def test_a_refusal_is_an_answer(world, error):
    view = await uploaded(world)
    refuse_with(world, error, view.record.holders[:1])
    report = await world.auditor.run_once()
    assert (report.silent, report.wrong) == (0, 0)
    probe = world.observations.probe(view.record.holders[0])
    assert (probe.answered, probe.text) == (True, str(error))


async def test_when_nobody_answers_nobody_is_to_blame(world):
    await uploaded(world)
    refuse_with(world, UnavailableError("no route"))
    report = await world.auditor.run_once()
    assert report.silent == report.asked == 4
    assert "cut off" in report.note
    assert all(world.observations.silence(node) is None for node in world.net.members)


async def test_a_silent_node_gets_new_files_last(world):
    view = await uploaded(world)
    node = view.record.holders[0]
    await world.bench.survey.candidates()
    world.net.members[node].up = False
    await world.auditor.run_once()
    world.net.members[node].up = True
    await world.net.clock.advance(2)
    found = {each.node: each.healthy for each in (await world.bench.survey.candidates()).nodes}
    assert found[node] is False
    assert sum(found.values()) == 3


async def test_a_leaf_that_is_not_what_was_signed_for_is_damage(world):
    view = await uploaded(world)
    liar = view.record.holders[1]
    world.net.tamper = lambda data, node: b"\0" * len(data) if node == liar else data
    report = await world.auditor.run_once()
    assert report.wrong == 4
    damage = world.observations.damage(view.record.file, 2)
    assert (damage.node, damage.shown, damage.since) == (liar, True, world.net.index.head.time)
    assert "not what its receipt says" in world.observations.probe(liar).text
    world.net.tamper = lambda data, _node: data
    await world.auditor.run_once()
    assert world.observations.damage(view.record.file, 2) is None


async def test_a_node_that_lost_a_slot_shows_it(world):
    view = await uploaded(world)
    node = view.record.holders[2]
    await world.net.members[node].custody.store.remove(view.record.file, 3)
    await world.auditor.run_once()
    damage = world.observations.damage(view.record.file, 3)
    assert (damage.manifest, damage.pieces) == (True, ())


async def test_what_a_node_lists_is_damage_since_it_was_listed(world):
    view = await uploaded(world)
    node = view.record.holders[0]
    rot(world, node)
    store = world.net.members[node].custody.store
    first = world.net.index.head.time
    for piece in range(4):
        await store.verify(ReplicaKey(view.record.file, 1, piece))
    world.net.chain.advance(500)
    await world.net.caught_up()
    await world.auditor.run_once()
    damage = world.observations.damage(view.record.file, 1)
    assert (damage.since, damage.pieces) == (first, (0, 1, 2, 3))
    world.restart_owner()
    await world.bench.run(world.migrator.run_once())
    await world.auditor.run_once()
    assert world.observations.damage(view.record.file, 1) is None


async def test_damage_of_a_slot_that_was_given_up_is_forgotten(world):
    view = await uploaded(world)
    node = view.record.holders[1]
    world.net.tamper = lambda data, which: b"\0" * len(data) if which == node else data
    await world.auditor.run_once()
    assert world.observations.damage(view.record.file, 2) is not None
    key = world.net.members[node].key
    world.net.chain.call(key.address, Surrender(node, view.record.file, 2))
    await world.net.caught_up()
    await world.auditor.run_once()
    assert world.observations.damage(view.record.file, 2) is None


async def test_only_own_slots_are_asked_for(world):
    await uploaded(world)
    world.auditing = replace(world.auditing, owner=NamedKey("somebody else").address)
    asked = []

    def fault(call, node):
        asked.append((call, node))

    world.net.fault = fault
    await replace(world.auditor, auditing=world.auditing).run_once()
    assert not any(call == "leaf" for call, _ in asked)
    assert sum(call == "status" for call, _ in asked) == 4


async def test_a_false_answer_of_another_shape_is_damage_too(world, monkeypatch):
    await uploaded(world)

    async def leaf(_self, _key, _leaf):
        return LeafShown(b"", 0, (), ())

    monkeypatch.setattr("xdb.testing.network.LocalPeer.leaf", leaf)
    report = await world.auditor.run_once()
    assert (report.right, report.wrong) == (0, 12)
    assert len(list(world.observations.damages())) == 3


async def test_one_node_can_be_probed_alone(world):
    view = await uploaded(world)
    node = view.record.holders[0]
    report, (finding,) = await world.auditor.round(node)
    assert (report.asked, finding.node, finding.right) == (1, node, 4)
