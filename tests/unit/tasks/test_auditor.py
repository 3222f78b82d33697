from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from xdb.errors import AuthError, ConfigError, OverloadedError, UnavailableError
from xdb.index.keys import file_key
from xdb.model.calls import SetNodeState, Surrender
from xdb.model.health import Silence
from xdb.model.ids import NodeId
from xdb.model.registry import NodeState
from xdb.model.storage import Damage, LeafShown, ReplicaKey
from xdb.services import auditing
from xdb.services.observations import SlotDamage
from xdb.store.formats import REPLICA_BODY
from xdb.tasks.auditor import AT_ONCE, AuditConfig
from xdb.testing.keys import NamedKey
from xdb.testing.living import living
from xdb.testing.network import LocalPeer
from xdb.testing.turns import turns


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


@pytest.mark.parametrize("call", ["leaf", "pull"])
async def test_what_a_node_refuses_its_owner_is_as_good_as_gone(world, call):
    view = await uploaded(world)
    node = view.record.holders[1]

    def fault(asked, of):
        if (asked, of) == (call, node):
            raise AuthError("not you")

    world.net.fault = fault
    report = await world.auditor.run_once()
    assert (report.silent, report.wrong, report.damaged) == (0, 0, 1)
    damage = world.observations.damage(view.record.file, 2)
    assert (damage.node, damage.shown, damage.manifest) == (node, True, True)
    world.net.fault = lambda _call, _node: None
    await world.auditor.run_once()
    assert world.observations.damage(view.record.file, 2) is None


async def test_whoever_is_refused_by_everybody_blames_nobody(world):
    await uploaded(world)
    refuse_with(world, AuthError("your clock is wrong"))
    report = await world.auditor.run_once()
    assert (report.silent, report.wrong, report.damaged) == (0, 0, 0)
    assert list(world.observations.damages()) == []


async def test_bytes_must_come_the_way_that_readers_get_them(world, monkeypatch):
    view = await uploaded(world)
    liar, honest = view.record.holders[1], LocalPeer.pull

    async def pull(self, key, offset=0, length=0):
        data = await honest(self, key, offset, length)
        return bytes(len(data)) if key.slot == 2 else data

    monkeypatch.setattr(LocalPeer, "pull", pull)
    report = await world.auditor.run_once()
    assert (report.right, report.wrong) == (11, 1)
    assert world.observations.damage(view.record.file, 2).shown
    assert "with other bytes" in world.observations.probe(liar).text


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
    others = replace(world.auditor.auditing, owner=NamedKey("somebody else").address)
    asked = []

    def fault(call, node):
        asked.append((call, node))

    world.net.fault = fault
    await replace(world.auditor, auditing=others).run_once()
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


# ---------------------------------------------------------------- nodes that do not play fair


def list_damage(monkeypatch, listed):
    """Every node says that this is damaged."""

    async def damaged(self, after=b"", _limit=0):
        self._member("damaged")
        return listed(after)

    monkeypatch.setattr(LocalPeer, "damaged", damaged)


async def test_whoever_shows_something_wrong_and_then_hangs_up_has_shown_it(world):
    view = await uploaded(world)
    liar = view.record.holders[1]
    world.net.tamper = lambda data, node: b"\0" * len(data) if node == liar else data

    def fault(call, node):
        if (call, node) == ("damaged", liar):
            raise UnavailableError("hung up")

    world.net.fault = fault
    report = await world.auditor.run_once()
    assert (report.silent, report.wrong) == (0, 4)
    assert world.observations.damage(view.record.file, 2).shown
    assert world.observations.silence(liar) is None


async def test_whoever_showed_something_wrong_gets_new_files_last(world):
    view = await uploaded(world)
    liar = view.record.holders[1]
    world.net.tamper = lambda data, node: b"\0" * len(data) if node == liar else data
    with capture_logs() as logs:
        await world.auditor.run_once()
        await world.auditor.run_once()
    assert [entry["event"] for entry in logs] == ["node.wrong"]
    await world.net.clock.advance(2)
    found = {each.node: each.healthy for each in (await world.bench.survey.candidates()).nodes}
    assert found == {node: node != liar for node in world.net.members}
    world.net.tamper = lambda data, _node: data
    await world.auditor.run_once()
    await world.net.clock.advance(2)
    assert all(each.healthy for each in (await world.bench.survey.candidates()).nodes)


async def test_lies_of_what_is_damaged_are_bounded(world, monkeypatch):
    view = await uploaded(world)
    file, now = view.record.file, world.net.index.head.time

    def lies(_after):
        future, past_the_end, elsewhere = (file, 1, 0), (file, 1, 4), (file, 9, 0)
        places = (future, past_the_end, elsewhere, (b"?" * 32, 1, 0))
        return [Damage(*place, False, now + 10**6, "") for place in places], b"again"

    list_damage(monkeypatch, lies)
    await world.auditor.run_once()
    node = NodeId(view.record.holders[0])
    assert list(world.observations.damages()) == [
        (file, 1, SlotDamage(now, (0,), manifest=False, shown=False, node=node))
    ]
    pages = [which for call, which in world.net.calls if call == "damaged"]
    assert pages.count(node) == auditing.MOST_LISTED


async def test_damage_is_forgotten_only_when_the_whole_list_was_read(world, monkeypatch):
    view = await uploaded(world)
    place, now = (view.record.file, 1), world.net.index.head.time
    list_damage(monkeypatch, lambda _: ([Damage(*place, 2, False, now, "")], b""))
    await world.auditor.run_once()
    list_damage(monkeypatch, lambda _: ([], b"more"))
    await world.auditor.run_once()
    assert world.observations.damage(*place).pieces == (2,)
    list_damage(monkeypatch, lambda _: ([], b""))
    await world.auditor.run_once()
    assert world.observations.damage(*place) is None


async def test_a_slow_node_is_asked_no_more_after_a_while(world, monkeypatch):
    view = await uploaded(world)
    slow = view.record.holders[0]
    leaf = LocalPeer.leaf

    async def late(self, key, number):
        if self.node == slow:
            await world.net.clock.sleep(auditing.PATIENCE / 2)
        return await leaf(self, key, number)

    monkeypatch.setattr(LocalPeer, "leaf", late)
    report = await world.bench.run(world.auditor.run_once())
    assert (report.silent, report.right) == (0, 10)
    assert "is slow" in world.observations.probe(slow).text


async def test_wrong_pieces_of_one_slot_are_all_remembered(world, monkeypatch):
    view = await uploaded(world)
    pieces = iter(range(4))
    monkeypatch.setattr(
        auditing.Auditing, "_question", lambda _, view, slot: (view, slot, next(pieces), 0)
    )
    world.net.tamper = lambda data, _node: b"\0" * len(data)
    await world.auditor.round(view.record.holders[0])
    assert world.observations.damage(view.record.file, 1).pieces == (0, 1, 2, 3)


# ---------------------------------------------------------------- one does not stop the others


async def test_a_record_that_cannot_be_read_is_passed_over(world):
    view = await uploaded(world, "one")
    await uploaded(world, "other")
    world.net.index._kv._values[file_key(view.record.file)] = b"rubbish"
    report = await world.auditor.run_once()
    assert report.asked == 4
    assert report.silent == report.wrong == 0
    assert report.right == 12
    assert view.record.file.hex() in report.problems[0]


async def test_a_bug_in_one_probe_is_told_when_the_others_are_done(world, monkeypatch):
    view = await uploaded(world)
    broken, sound = view.record.holders[0], LocalPeer.leaf

    async def leaf(self, key, number):
        if self.node == broken:
            raise ValueError("a bug")
        return await sound(self, key, number)

    monkeypatch.setattr(LocalPeer, "leaf", leaf)
    with pytest.raises(ValueError, match="a bug"):
        await world.auditor.run_once()
    asked = {node for node in world.net.members if world.observations.is_reachable(node)}
    assert asked == set(world.net.members) - {broken}


async def test_nodes_are_asked_a_few_at_a_time(monkeypatch):
    async with living(AT_ONCE + 4) as world:
        running, most = [], []
        status = LocalPeer.status

        async def slow(self):
            running.append(self.node)
            most.append(len(running))
            await world.net.clock.sleep(1)
            running.remove(self.node)
            return await status(self)

        monkeypatch.setattr(LocalPeer, "status", slow)
        report = await world.bench.run(world.auditor.run_once())
        assert (report.asked, max(most)) == (AT_ONCE + 4, AT_ONCE)


# ---------------------------------------------------------------- what is over


async def test_damage_at_a_node_that_left_is_forgotten_with_the_node(world):
    view = await uploaded(world)
    node = view.record.holders[1]
    world.net.tamper = lambda data, which: b"\0" * len(data) if which == node else data
    await world.auditor.run_once()
    member = world.net.members[node]
    world.net.chain.call(member.key.address, Surrender(node, view.record.file, 2))
    member.up = False
    await world.net.caught_up()
    await world.auditor.run_once()
    assert world.observations.damage(view.record.file, 2) is None
    assert world.observations.silence(node) is not None
    for state in (NodeState.DRAINING, NodeState.LEFT):
        world.net.chain.call(member.key.address, SetNodeState(state))
    await world.net.caught_up()
    await world.auditor.run_once()
    assert world.observations.probe(node) is None


async def test_a_node_that_is_offline_and_holds_nothing_is_left_alone(world):
    idle = next(iter(world.net.members))
    world.net.chain.call(world.net.members[idle].key.address, SetNodeState(NodeState.OFFLINE))
    await world.net.caught_up()
    assert (await world.auditor.run_once()).asked == 3


@pytest.mark.parametrize("leaves", [0, -1, 257])
def test_probes_ask_for_something_but_not_for_everything(leaves):
    with pytest.raises(ConfigError, match=r"audit\.leaves"):
        AuditConfig(leaves)


async def test_nobody_is_blamed_for_what_this_owner_node_has_not_heard_of(world):
    """It slept; meanwhile another one moved the slot, and its former node removed it."""
    view = await uploaded(world)
    node = view.record.holders[1]
    await world.net.members[node].custody.store.remove(view.record.file, 2)
    world.net.clock.jump(world.net.chain.parameters.receipt_validity + 60)
    report = await world.auditor.run_once()
    assert (report.asked, report.wrong) == (0, 0)
    assert "s old" in report.note
    assert not world.observations.showed_wrong(node)
    assert list(world.observations.damages()) == []
    world.net.chain.tick()
    await world.net.caught_up()
    assert (await world.auditor.run_once()).asked == 4


async def test_a_node_with_much_damage_holds_up_nobody(world):
    view = await uploaded(world)
    usual = await turns(world.auditor.run_once())
    node, count = view.record.holders[0], 2000
    for slot in range(count):
        damage = SlotDamage(1, (), manifest=True, shown=True, node=node)
        await world.observations.seen(view.record.file, 100 + slot, damage)
    # looked through once for what to ask again, and once for what is over
    assert await turns(world.auditor.run_once()) >= usual + 2 * count // 250
    assert list(world.observations.damages()) == []
