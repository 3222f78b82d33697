"""Steps of a migration plan, carried out over real uploads."""

import asyncio
from dataclasses import replace

import pytest

from xdb.core.keyring import NAMESPACE_SEALING
from xdb.core.migration.model import Action, Step
from xdb.core.slicing import Layout
from xdb.errors import MissingPiecesError, RefusedCallError, UnavailableError
from xdb.index.views import FileStatus
from xdb.model.calls import Delete, Release, SetNodeState, Surrender
from xdb.model.registry import NodeState
from xdb.model.storage import ReplicaKey
from xdb.services.repair.job import Outcome, RepairConfig
from xdb.store.formats import path_of
from xdb.testing.network import network
from xdb.testing.owner import SLICE, OwnerBench

DATA = bytes(range(256)) * 1000  # four slices
SIZES = {"empty": b"", "one slice": DATA[:5000], "several slices": DATA}
POLICIES = {"copies": (3, 1), "coded": (4, 2)}


def target_for(net, view):
    """A node that holds nothing of the file."""
    return next(node for node in net.members if node not in view.record.holders)


def step_for(net, view, action=Action.MOVE, slot=1, target=None):
    record = view.record
    source = None if action is Action.EXTEND else record.holders[slot - 1]
    if action is Action.EXTEND:
        slot = len(record.holders) + 1
    target = source if action is Action.RESTORE else target or target_for(net, view)
    return Step(action, record.file, record.version, slot, source, target, 0, "it is a test")


async def carried_out(bench, step, pieces=()):
    return await bench.run(bench.repairer.carry_out(step, pieces))


def now(net, view):
    return net.index.file(view.record.file)


async def problems(bench, view):
    found = [check async for check in bench.verification.verify(view)]
    assert found
    return [(check.slot, check.piece, check.problem) for check in found if check.problem]


async def check_whole(bench, view, data=DATA):
    """Every replica is good and the file reads as it was."""
    view = now(bench.network, view)
    assert await problems(bench, view) == []
    assert await bench.download(view) == data
    return view


def count(view):
    """Slices of a file."""
    return Layout(view.record.size, SLICE).count


async def replicas(net, view, slot):
    """What the holder of a slot holds."""
    peer = net.peers().peer(net.index.node_record(view.record.holders[slot - 1]))
    keys = [ReplicaKey(view.record.file, slot, piece) for piece in range(count(view))]
    return [await peer.pull(key) for key in keys]


async def damage(net, view, slot, piece, *, known=True):
    """Spoils a replica on its holder's disk."""
    member = net.members[view.record.holders[slot - 1]]
    key = ReplicaKey(view.record.file, slot, piece)
    store = member.custody.store
    member.disk.corrupt(path_of(store._header(key, store.catalog.replica(key))))
    if known:
        assert not await store.verify(key)
    return member


@pytest.fixture(params=POLICIES, ids=str)
async def policy(request):
    return POLICIES[request.param]


@pytest.fixture
async def wide(policy):
    async with network(members=6) as made:
        await made.create_namespace("wide", *policy)
        yield OwnerBench(made)


# ------------------------------------------------------------------ every action


@pytest.mark.parametrize("data", SIZES.values(), ids=SIZES)
async def test_a_slot_is_made_again_bit_for_bit_when_its_node_is_gone(wide, policy, data):
    net = wide.network
    for slot in (1, policy[0]):
        view = await wide.upload(data, wide.request(f"file {slot}", namespace="wide"))
        before = await replicas(net, view, slot)
        net.members[view.record.holders[slot - 1]].up = False
        step = step_for(net, view, Action.MOVE, slot)
        done = await carried_out(wide, step)
        made = len(before)
        assert (done.outcome, done.stored, done.remade) == (Outcome.DONE, made, made)
        after = await check_whole(wide, view, data)
        assert after.record.holders[slot - 1] == step.target
        assert after.record.version == view.record.version + 1
        assert after.holdings[slot - 1].root == view.holdings[slot - 1].root
        assert await replicas(net, after, slot) == before
        net.members[step.source].up = True


@pytest.mark.parametrize("data", SIZES.values(), ids=SIZES)
async def test_sealed_bytes_are_handed_over(wide, data):
    net = wide.network
    view = await wide.upload(data, wide.request(namespace="wide"))
    net.calls.clear()
    step = step_for(net, view, Action.HANDOVER, 2)
    done = await carried_out(wide, step)
    assert {node for call, node in net.calls if call == "pull"} == {step.source}
    assert (done.outcome, done.remade, done.notes) == (Outcome.DONE, 0, ())
    after = await check_whole(wide, view, data)
    assert after.record.holders[1] == step.target


@pytest.mark.parametrize("data", SIZES.values(), ids=SIZES)
async def test_what_is_damaged_is_restored_in_place(wide, data):
    net = wide.network
    view = await wide.upload(data, wide.request(namespace="wide"))
    last = count(view) - 1
    await damage(net, view, 2, last)
    height = net.chain.head.height
    done = await carried_out(wide, step_for(net, view, Action.RESTORE, 2), [last])
    assert (done.outcome, done.stored, done.remade) == (Outcome.DONE, 1, 1)
    assert await check_whole(wide, view, data) == view
    assert net.chain.head.height == height


@pytest.mark.parametrize("data", SIZES.values(), ids=SIZES)
async def test_copies_are_added(net, bench, data):
    view = await bench.upload(data)
    step = step_for(net, view, Action.EXTEND)
    done = await carried_out(bench, step)
    assert done.outcome is Outcome.DONE
    after = await check_whole(bench, view, data)
    assert after.record.redundancy.total == 4
    assert after.record.holders == (*view.record.holders, step.target)


async def test_a_slot_that_was_surrendered_is_made_again_for_the_same_node(net, bench):
    view = await bench.upload(DATA)
    holder = view.record.holders[1]
    member = net.members[holder]
    await member.custody.store.remove(view.record.file, 2)
    net.chain.call(member.key.address, Surrender(holder, view.record.file, 2))
    await net.caught_up()
    net.calls.clear()
    done = await carried_out(bench, step_for(net, view, Action.MOVE, 2, target=holder))
    assert ("pull", holder) not in net.calls
    assert done.remade == count(view)
    assert (await check_whole(bench, view)).lost == ()


async def test_the_only_copy_is_handed_over(net, bench):
    await net.create_namespace("single", 1)
    view = await bench.upload(DATA, bench.request(namespace="single"))
    done = await carried_out(bench, step_for(net, view, Action.HANDOVER))
    assert (done.outcome, done.remade) == (Outcome.DONE, 0)
    await check_whole(bench, view)


async def test_the_content_key_is_never_asked_for(net, bench):
    view = await bench.upload(DATA)
    asked = []

    class Sealing:
        def derive(self, label, context=b""):
            asked.append(label)
            return net.owner.derive(label, context)

    bench.repairer = replace(bench.repairer, secrets=Sealing())
    assert (await carried_out(bench, step_for(net, view))).outcome is Outcome.DONE
    await check_whole(bench, view)
    assert set(asked) == {NAMESPACE_SEALING}


async def test_a_file_in_retention_is_kept_up(net, bench):
    view = await bench.upload(DATA, bench.request(expiry=net.chain.time + 3600))
    net.chain.advance(7200)
    await net.caught_up()
    assert net.index.status(view) is FileStatus.EXPIRED
    assert (await carried_out(bench, step_for(net, view))).outcome is Outcome.DONE
    await damage(net, now(net, view), 2, 1)
    assert (
        await carried_out(bench, step_for(net, now(net, view), Action.RESTORE, 2))
    ).outcome is Outcome.DONE
    assert await problems(bench, now(net, view)) == []


# ------------------------------------------------------------------ restoring


async def test_without_a_list_the_node_says_what_it_lacks(net, bench):
    view = await bench.upload(DATA)
    for piece in (1, 3):
        await damage(net, view, 1, piece)
    done = await carried_out(bench, step_for(net, view, Action.RESTORE))
    assert done.stored == 2
    await check_whole(bench, view)


@pytest.mark.parametrize("harm", ["corrupt", "lose"])
async def test_a_damaged_manifest_is_handed_over_again(net, bench, harm):
    view = await bench.upload(DATA)
    member = await damage(net, view, 1, 2)
    (name,) = member.disk.files("manifests")
    getattr(member.disk, harm)(name)
    await carried_out(bench, step_for(net, view, Action.RESTORE), [2])
    assert await member.custody.store.get_manifest(view.record.file, 1)
    await check_whole(bench, view)


async def test_a_sound_manifest_is_left_alone(net, bench):
    view = await bench.upload(DATA)
    await damage(net, view, 1, 2)
    net.calls.clear()
    await carried_out(bench, step_for(net, view, Action.RESTORE), [2])
    assert "accept" not in {call for call, _ in net.calls}


async def test_a_node_that_does_not_know_of_its_damage_is_not_called_restored(net, bench):
    view = await bench.upload(DATA)
    await damage(net, view, 1, 2, known=False)
    with pytest.raises(UnavailableError, match="still gives wrong bytes for piece 2"):
        await carried_out(bench, step_for(net, view, Action.RESTORE), [2])


async def test_restoring_does_not_mind_what_became_of_other_slots(net, bench):
    view = await bench.upload(DATA)
    await damage(net, view, 1, 0)
    restore = step_for(net, view, Action.RESTORE)
    await carried_out(bench, step_for(net, view, Action.MOVE, 2))
    assert (await carried_out(bench, restore, [0])).outcome is Outcome.DONE
    await check_whole(bench, view)


# ------------------------------------------------------------------ sources


async def test_a_source_that_fails_in_the_middle_is_replaced(wide):
    net = wide.network
    view = await wide.upload(DATA, wide.request(namespace="wide"))
    pulled = []

    def fault(call, node):
        if call == "pull":
            pulled.append(node)
            if len(pulled) == 3:
                net.members[node].up = False

    net.fault = fault
    done = await carried_out(wide, step_for(net, view))
    dead = next(node for node, member in net.members.items() if not member.up)
    assert any(dead.hex() in note and "does not answer" in note for note in done.notes)
    net.members[dead].up = True
    await check_whole(wide, view)


async def test_a_holder_that_dies_while_it_hands_over_is_not_needed(wide):
    net = wide.network
    view = await wide.upload(DATA, wide.request(namespace="wide"))
    holder = view.record.holders[0]
    pulled = []

    def fault(call, node):
        if (call, node) == ("pull", holder):
            pulled.append(node)
            net.members[node].up = len(pulled) < 3

    net.fault = fault
    done = await carried_out(wide, step_for(net, view, Action.HANDOVER))
    assert 0 < done.remade < count(view)
    assert any(holder.hex() in note for note in done.notes)
    await check_whole(wide, view)


@pytest.mark.parametrize("action", [Action.MOVE, Action.HANDOVER], ids=str)
async def test_wrong_bytes_are_passed_over_and_told(wide, action):
    net = wide.network
    view = await wide.upload(DATA, wide.request(namespace="wide"))
    liar = view.record.holders[0 if action is Action.HANDOVER else 1]
    net.tamper = lambda data, node: bytes(len(data)) if node == liar else data
    done = await carried_out(wide, step_for(net, view, action))
    net.tamper = lambda data, _node: data
    assert any(liar.hex() in note and "wrong bytes" in note for note in done.notes)
    await check_whole(wide, view)


async def test_one_good_replica_of_each_slice_is_enough(net, bench):
    """Both copies are damaged, each elsewhere: what the old holder has of its slot counts."""
    await net.create_namespace("two", 2)
    view = await bench.upload(DATA, bench.request(namespace="two"))
    await damage(net, view, 1, 0)
    await damage(net, view, 2, 3)
    done = await carried_out(bench, step_for(net, view))
    assert (done.outcome, done.remade) == (Outcome.DONE, count(view) - 1)
    await carried_out(bench, step_for(net, now(net, view), Action.RESTORE, 2), [3])
    await check_whole(bench, view)


async def test_slots_given_up_and_nodes_that_left_are_not_asked():
    async with network(members=6) as net:
        bench = OwnerBench(net)
        await net.create_namespace("four", 4)
        view = await bench.upload(DATA, bench.request(namespace="four"))
        lost, left = view.record.holders[1:3]
        net.chain.call(net.members[lost].key.address, Surrender(lost, view.record.file, 2))
        net.chain.call(net.members[left].key.address, SetNodeState(NodeState.DRAINING))
        await net.caught_up()
        await carried_out(bench, step_for(net, view, Action.HANDOVER, 3))
        net.chain.call(net.members[left].key.address, SetNodeState(NodeState.LEFT))
        await net.caught_up()
        view = now(net, view)
        net.calls.clear()
        await carried_out(bench, step_for(net, view))
        assert not {lost, left} & {node for call, node in net.calls if call == "pull"}


async def test_too_few_sources_are_named_and_nothing_changes(wide, policy):
    net = wide.network
    view = await wide.upload(DATA, wide.request(namespace="wide"))
    for node in view.record.holders[: policy[0]]:
        net.members[node].up = False
    net.members[view.record.holders[-1]].up = policy[1] > 1
    # the manifest is known, the slices are not to be had
    with pytest.raises(UnavailableError, match=f"{policy[1]} other slots are needed") as caught:
        await carried_out(wide, step_for(net, view))
    assert all(node.hex() in str(caught.value) for node in view.record.holders[1:3])
    assert now(net, view) == view


async def test_a_source_that_was_away_for_a_moment_is_asked_again(net, bench):
    await net.create_namespace("two", 2)
    view = await bench.upload(DATA, bench.request(namespace="two"))
    net.members[view.record.holders[0]].up = False
    pulled = []

    def fault(call, node):
        if call == "pull" and node == view.record.holders[1]:
            pulled.append(node)
            if len(pulled) == 2:
                raise UnavailableError("hiccup")

    net.fault = fault
    assert (await carried_out(bench, step_for(net, view))).outcome is Outcome.DONE
    await check_whole(bench, view)


# ------------------------------------------------------------------ the target


@pytest.mark.parametrize("action", [each for each in Action if each is not Action.SHRINK], ids=str)
async def test_a_target_that_fails_is_named_and_nothing_changes(net, bench, action):
    view = await bench.upload(DATA)
    await damage(net, view, 1, 0)
    step = step_for(net, view, action)

    def fault(call, node):
        if call == "push" and node == step.target:
            raise UnavailableError("its disk is on fire")

    net.fault = fault
    with pytest.raises(UnavailableError, match="its disk is on fire") as caught:
        await carried_out(bench, step, [0])
    assert step.target.hex() in str(caught.value)
    assert now(net, view) == view
    net.fault = lambda _call, _node: None
    assert (await carried_out(bench, step, [0])).outcome is Outcome.DONE


async def test_a_target_that_takes_nothing_new_is_named(net, bench):
    view = await bench.upload(DATA)
    step = step_for(net, view)
    net.chain.call(net.members[step.target].key.address, SetNodeState(NodeState.DRAINING))
    await net.caught_up()
    with pytest.raises(UnavailableError, match="is draining and takes nothing new"):
        await carried_out(bench, step)


@pytest.mark.parametrize("action", [Action.MOVE, Action.EXTEND], ids=str)
@pytest.mark.parametrize(
    "changes", [{"root": bytes(32)}, {"size": 1}, {"signature": bytes(64) + b"\1"}], ids=str
)
async def test_a_receipt_that_is_no_good_moves_nothing(net, bench, action, changes):
    view = await bench.upload(DATA)
    step = step_for(net, view, action)
    member = net.members[step.target]
    honest = member.custody.receipts

    class Forging:
        signer = honest.signer

        def make(self, *terms):
            return replace(honest.make(*terms), **changes)

    member.custody = replace(member.custody, receipts=Forging())
    with pytest.raises(UnavailableError, match=r"the receipt of node|no key fits") as caught:
        await carried_out(bench, step)
    assert step.target.hex() in str(caught.value)
    assert now(net, view) == view


async def test_a_target_that_loses_what_it_is_given_is_given_up(net, bench):
    view = await bench.upload(DATA)
    step = step_for(net, view)
    store = net.members[step.target].custody.store

    def fault(call, _node):
        if call == "accept":
            store.commitment = lambda _key: None

    net.fault = fault
    with pytest.raises(UnavailableError, match="does not keep what it is given"):
        await carried_out(bench, step)
    assert now(net, view) == view


async def test_what_the_target_has_is_not_pulled_again(net, bench):
    view = await bench.upload(DATA)
    step = step_for(net, view)
    accepted = []

    def fault(call, _node):
        if call == "accept":
            accepted.append(call)
            if len(accepted) > 1:
                raise UnavailableError("not now")

    net.fault = fault
    with pytest.raises(UnavailableError):
        await carried_out(bench, step)
    net.fault = lambda _call, _node: None
    net.calls.clear()
    done = await carried_out(bench, step)
    assert (done.outcome, done.stored) == (Outcome.DONE, 0)
    assert {call for call, _ in net.calls} == {"accept"}
    await check_whole(bench, view)


# ------------------------------------------------------------------ slots added later


@pytest.fixture
async def extended(net, bench):
    await net.add_member("node-4")
    view = await bench.upload(DATA)
    await carried_out(bench, step_for(net, view, Action.EXTEND))
    return now(net, view)


@pytest.mark.parametrize("action", [Action.MOVE, Action.HANDOVER], ids=str)
async def test_an_added_slot_moves_like_any_other(net, bench, extended, action):
    before = await replicas(net, extended, 4)
    done = await carried_out(bench, step_for(net, extended, action, 4))
    assert done.outcome is Outcome.DONE
    after = await check_whole(bench, extended)
    assert await replicas(net, after, 4) == before


async def test_an_added_slot_is_restored(net, bench, extended):
    await damage(net, extended, 4, 1)
    await carried_out(bench, step_for(net, extended, Action.RESTORE, 4), [1])
    await check_whole(bench, extended)


async def test_an_added_slot_alone_brings_the_others_back(net, bench, extended):
    for node in extended.record.holders[:3]:
        net.members[node].up = False
    done = await carried_out(bench, step_for(net, extended))
    assert done.outcome is Outcome.DONE
    for node in extended.record.holders[:3]:
        net.members[node].up = True
    await check_whole(bench, extended)


async def test_wrong_bytes_of_an_added_slot_are_known(net, bench, extended):
    liar = extended.record.holders[3]
    for node in extended.record.holders[:3]:
        net.members[node].up = False
    await bench.run(bench.opener.open(extended))
    net.tamper = lambda data, node: data[:-1] + b"?" if node == liar else data
    with pytest.raises(UnavailableError, match="wrong bytes"):
        await carried_out(bench, step_for(net, extended))
    net.tamper = lambda data, node: data[:-1] if node == liar else data
    with pytest.raises(UnavailableError, match="wrong bytes"):
        await carried_out(bench, step_for(net, extended))
    assert now(net, extended) == extended


async def test_one_copy_after_another_is_added(net, bench, extended):
    await carried_out(bench, step_for(net, extended, Action.EXTEND))
    after = await check_whole(bench, extended)
    assert len(set(after.record.holders)) == 5


# ------------------------------------------------------------------ shrinking


def shrinking(net, view):
    return step_for(net, view, Action.SHRINK, len(view.record.holders), view.record.holders[-1])


async def test_the_last_copy_is_dropped_and_can_be_added_again(net, bench):
    view = await bench.upload(DATA)
    assert (await carried_out(bench, shrinking(net, view))).outcome is Outcome.DONE
    small = await check_whole(bench, view)
    assert small.record.holders == view.record.holders[:2]
    await carried_out(bench, step_for(net, small, Action.EXTEND))
    again = await check_whole(bench, view)
    assert again.record.root == view.record.root


async def test_an_added_copy_is_dropped(net, bench, extended):
    assert (await carried_out(bench, shrinking(net, extended))).outcome is Outcome.DONE
    assert len((await check_whole(bench, extended)).record.holders) == 3


async def test_no_copy_is_dropped_while_another_is_lost(net, bench):
    view = await bench.upload(DATA)
    holder = view.record.holders[0]
    net.chain.call(net.members[holder].key.address, Surrender(holder, view.record.file, 1))
    await net.caught_up()
    height = net.chain.head.height
    assert (await carried_out(bench, shrinking(net, view))).outcome is Outcome.OUT_OF_DATE
    assert net.chain.head.height == height


async def test_only_the_last_copy_is_dropped(net, bench):
    view = await bench.upload(DATA)
    step = replace(shrinking(net, view), slot=2, source=view.record.holders[1])
    assert (await carried_out(bench, step)).outcome is Outcome.OUT_OF_DATE


# ------------------------------------------------------------------ out of date, and two at once


async def test_a_record_that_changed_is_left_alone(net, bench):
    view = await bench.upload(DATA)
    step = step_for(net, view)
    await carried_out(bench, step)
    height, calls = net.chain.head.height, len(net.calls)
    for action in (Action.MOVE, Action.HANDOVER, Action.EXTEND):
        done = await carried_out(bench, step_for(net, view, action, target=step.source))
        assert done.outcome is Outcome.OUT_OF_DATE
    restore = replace(step, action=Action.RESTORE, target=step.source)
    assert (await carried_out(bench, restore)).outcome is Outcome.OUT_OF_DATE
    assert (net.chain.head.height, len(net.calls)) == (height, calls)


async def test_a_file_that_is_gone_is_left_alone(net, bench):
    view = await bench.upload(DATA)
    net.chain.call(net.owner.address, Delete(view.record.file))
    await net.caught_up()
    done = await carried_out(bench, step_for(net, view, Action.EXTEND))
    assert done.outcome is Outcome.OUT_OF_DATE
    net.chain.advance(net.chain.parameters.retention)
    await net.caught_up()
    assert (await carried_out(bench, step_for(net, view))).outcome is Outcome.OUT_OF_DATE
    net.chain.call(net.owner.address, Release(view.record.file))
    await net.caught_up()
    assert (await carried_out(bench, step_for(net, view))).outcome is Outcome.OUT_OF_DATE


@pytest.mark.parametrize("at", [1, 3, 6, 9])
async def test_a_record_that_changes_on_the_way_ends_the_step(net, bench, at):
    await net.add_member("node-4")
    view = await bench.upload(DATA)
    step, other = step_for(net, view, slot=1), OwnerBench(net)
    targets = [node for node in net.members if node not in view.record.holders]
    rival = step_for(net, view, slot=2, target=targets[1])
    moved = asyncio.Event()
    seen = []

    class Waiting:
        """Peers that let the other repairer go first at one of the calls."""

        def peer(self, record):
            return _Halting(net.peers().peer(record), halt)

    async def halt():
        seen.append(1)
        if len(seen) == at:
            assert (await other.repairer.carry_out(rival)).outcome is Outcome.DONE
            moved.set()

    mine = OwnerBench(net, peers=Waiting())
    done = await mine.run(mine.repairer.carry_out(step))
    assert moved.is_set()
    assert done.outcome is Outcome.OUT_OF_DATE
    after = await check_whole(bench, view)
    assert after.record.version == view.record.version + 1


class _Halting:
    def __init__(self, peer, halt):
        self._peer, self._halt = peer, halt

    def __getattr__(self, name):
        async def call(*arguments):
            await self._halt()
            return await getattr(self._peer, name)(*arguments)

        return call


@pytest.mark.parametrize("actions", [(Action.MOVE, Action.MOVE), (Action.EXTEND, Action.MOVE)])
@pytest.mark.parametrize("same_target", [True, False])
async def test_of_two_repairers_at_once_one_gets_through(net, bench, actions, same_target):
    await net.add_member("node-4")
    view = await bench.upload(DATA)
    spare = [node for node in net.members if node not in view.record.holders]
    steps = [
        step_for(net, view, action, target=spare[0 if same_target else at])
        for at, action in enumerate(actions)
    ]
    height = net.chain.head.height
    works = (
        OwnerBench(net).repairer.carry_out(steps[0]),
        OwnerBench(net).repairer.carry_out(steps[1]),
    )
    found = await bench.run(asyncio.gather(*works))
    assert sorted(done.outcome for done in found) == [Outcome.DONE, Outcome.OUT_OF_DATE]
    assert net.chain.head.height == height + 1
    after = await check_whole(bench, view)
    assert after.record.version == view.record.version + 1


async def test_the_registry_has_the_last_word_when_the_index_is_behind(net, bench):
    view = await bench.upload(DATA)
    step = step_for(net, view)

    class Lagging:
        """An index that does not hear of the other's move."""

        def __init__(self, index):
            self._index = index

        def __getattr__(self, name):
            return getattr(self._index, name)

        def file(self, _file):
            return view

    late = replace(bench.repairer, index=Lagging(net.index))
    await carried_out(bench, step_for(net, view, slot=2))
    other = await net.add_member("node-4")
    done = await bench.run(late.carry_out(replace(step, target=other.node)))
    assert done.outcome is Outcome.OUT_OF_DATE
    await check_whole(bench, view)


async def test_what_the_registry_refuses_is_raised(net, bench):
    view = await bench.upload(DATA)
    step = step_for(net, view)

    class Late:
        """A registry that the call reaches when the target has begun to drain."""

        deployment = net.chain.deployment

        async def submit(self, call):
            net.chain.call(net.members[step.target].key.address, SetNodeState(NodeState.DRAINING))
            return await bench.repairer.registry.submit(call)

    with pytest.raises(RefusedCallError, match="draining"):
        await bench.run(replace(bench.repairer, registry=Late()).carry_out(step))
    assert now(net, view) == view


# ------------------------------------------------------------------ crashes


class CrashError(Exception):
    """The process ends here."""


@pytest.mark.parametrize("action", [Action.MOVE, Action.HANDOVER, Action.EXTEND], ids=str)
async def test_a_crash_at_any_call_leaves_a_whole_file_and_the_step_can_be_taken_again(action):
    cut = 0
    while True:
        async with network(members=4) as net:
            bench = OwnerBench(net)
            view = await bench.upload(DATA)
            step = step_for(net, view, action)
            made = await crashed_at(net, step, cut)
            if not made:
                break
            assert now(net, view) == view
            assert await problems(bench, view) == []
            done = await carried_out(OwnerBench(net), step)
            assert done.outcome is Outcome.DONE
            after = await check_whole(OwnerBench(net), view)
            assert after.record.version == view.record.version + 1
        cut += 1
    assert cut > 2 * count(view)


async def crashed_at(net, step, cut):
    """Carries a step out and crashes before one of its calls; False when it has fewer."""
    calls = []

    def fault(call, _node):
        calls.append(call)
        if len(calls) == cut + 1:
            raise CrashError

    net.fault = fault
    bench = OwnerBench(net)
    try:
        await carried_out(bench, step)
    except CrashError:
        return True
    finally:
        net.fault = lambda _call, _node: None
        for node in net.members:
            await net.restart(node)
    return False


async def test_a_crash_behind_the_transaction_is_out_of_date_the_next_time(net, bench):
    view = await bench.upload(DATA)
    step = step_for(net, view)

    class Dying:
        deployment = net.chain.deployment

        async def submit(self, call):
            await bench.repairer.registry.submit(call)
            raise CrashError

    with pytest.raises(CrashError):
        await bench.run(replace(bench.repairer, registry=Dying()).carry_out(step))
    await net.caught_up()
    assert (await carried_out(bench, step)).outcome is Outcome.OUT_OF_DATE
    await check_whole(bench, view)


@pytest.mark.parametrize("action", [Action.MOVE, Action.HANDOVER, Action.EXTEND], ids=str)
async def test_the_record_never_names_a_node_without_its_slot(net, bench, action):
    view = await bench.upload(DATA)
    seen = []

    def check(_call, _node):
        record = now(net, view).record
        seen.append(record.version)
        for slot, node in enumerate(record.holders, start=1):
            store = net.members[node].custody.store
            keys = [ReplicaKey(record.file, slot, piece) for piece in range(count(view))]
            assert all(store.commitment(key) is not None for key in keys)

    net.fault = check
    await carried_out(bench, step_for(net, view, action))
    await check_whole(bench, view)
    assert set(seen) == {1, 2}


# ------------------------------------------------------------------ bounds


@pytest.mark.parametrize("action", [Action.MOVE, Action.HANDOVER, Action.EXTEND], ids=str)
@pytest.mark.parametrize(("window", "most"), [(1, 1), (64 << 20, 3)])
async def test_pieces_in_flight_are_bounded(net, bench, action, window, most):
    view = await bench.upload(DATA)
    under_way, seen = set(), []

    class Slow:
        def peer(self, record):
            return _Slow(net, net.peers().peer(record), under_way, seen)

    busy = OwnerBench(net, peers=Slow())
    repairer = busy.make_repairer(RepairConfig(window=window))
    assert (await busy.run(repairer.carry_out(step_for(net, view, action)))).stored == count(view)
    assert max(seen) == most
    assert repairer._filling.budget.used == 0


class _Slow:
    """Counts the replicas that are pushed or pulled at the same time."""

    def __init__(self, net, peer, under_way, seen):
        self._net, self._peer, self._under_way, self._seen = net, peer, under_way, seen

    def __getattr__(self, name):
        async def call(*arguments):
            token = object()
            if name in {"push", "pull"}:
                self._under_way.add(token)
                self._seen.append(len(self._under_way))
            await self._net.clock.sleep(1)
            self._under_way.discard(token)
            return await getattr(self._peer, name)(*arguments)

        return call


async def test_a_failed_step_gives_its_memory_back(net, bench):
    view = await bench.upload(DATA)
    net.fault = lambda call, node: net.members[node].__setattr__("up", call != "push")
    with pytest.raises(UnavailableError):
        await carried_out(bench, step_for(net, view))
    assert bench.repairer._filling.budget.used == 0


async def test_a_long_list_of_missing_pieces_is_not_all_that_is_missing(net, bench, monkeypatch):
    view = await bench.upload(DATA)
    step = step_for(net, view)

    class Terse:
        def peer(self, record):
            return _Terse(net.peers().peer(record))

    monkeypatch.setattr("xdb.services.repair.filling.LISTED", 1)
    mine = OwnerBench(net, peers=Terse())
    net.calls.clear()
    assert (await mine.run(mine.repairer.carry_out(step))).stored == count(view)
    assert sum(call == "accept" for call, _ in net.calls) == 2


class _Terse:
    """Names one missing piece at a time."""

    def __init__(self, peer):
        self._peer = peer

    def __getattr__(self, name):
        return getattr(self._peer, name)

    async def accept(self, *arguments):
        try:
            return await self._peer.accept(*arguments)
        except MissingPiecesError as error:
            raise MissingPiecesError(error.pieces[:1], str(error)) from error
