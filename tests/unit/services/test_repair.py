"""Steps of a migration plan, carried out over real uploads."""

from dataclasses import replace

import pytest

from xdb.core.keyring import NAMESPACE_SEALING
from xdb.core.migration.model import Action
from xdb.errors import MissingPiecesError, UnavailableError
from xdb.index.views import FileStatus
from xdb.model.calls import Resign, SetNodeState, Surrender
from xdb.model.registry import NodeState
from xdb.services.repair.job import Outcome
from xdb.testing.network import network
from xdb.testing.owner import OwnerBench
from xdb.testing.repair import carried_out, count, damage, now, problems, replicas, step_for

DATA = bytes(range(256)) * 1000  # four slices
LONG = DATA * 5
SIZES = {"empty": b"", "one slice": DATA[:5000], "several slices": DATA}
POLICIES = {"copies": (3, 1), "coded": (4, 2)}


async def check_whole(bench, view, data=DATA):
    """Every replica is good and the file reads as it was."""
    view = now(bench.network, view)
    assert await problems(bench, view) == []
    assert await bench.download(view) == data
    return view


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


async def test_a_damaged_slot_is_no_source_of_itself(net, bench):
    view = await bench.upload(DATA)
    member = await damage(net, view, 1, 2)
    for node in view.record.holders[1:]:
        net.members[node].up = False
    net.calls.clear()
    with pytest.raises(UnavailableError, match="1 other slots are needed, 0 have it"):
        await carried_out(bench, step_for(net, view, Action.RESTORE), [2])
    assert ("pull", member.node) not in net.calls


async def test_a_node_that_gives_another_manifest_gets_the_right_one(net, bench):
    view = await bench.upload(DATA)
    member = await damage(net, view, 1, 2)
    small = 4096  # no replica is so small
    net.tamper = lambda data, node: (
        data[::-1] if node == member.node and len(data) < small else data
    )
    net.calls.clear()
    await carried_out(bench, step_for(net, view, Action.RESTORE), [2])
    assert ("accept", member.node) in net.calls


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
    view = await wide.upload(LONG, wide.request(namespace="wide"))
    holder = view.record.holders[0]
    pulled = []

    def fault(call, node):
        if (call, node) == ("pull", holder):
            pulled.append(node)
            net.members[node].up = len(pulled) < 3

    net.fault = fault
    done = await carried_out(wide, step_for(net, view, Action.HANDOVER))
    assert len(pulled) <= 5  # two were under way
    assert 0 < done.remade < count(view)
    assert any(holder.hex() in note for note in done.notes)
    net.members[holder].up = True
    await check_whole(wide, view, LONG)


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


async def test_whose_bytes_were_wrong_is_asked_last(net, bench):
    view = await bench.upload(LONG)
    liar = view.record.holders[1]
    net.tamper = lambda data, node: bytes(len(data)) if node == liar else data
    net.calls.clear()
    done = await carried_out(bench, step_for(net, view))
    assert 1 <= net.calls.count(("pull", liar)) <= 3
    assert len(done.notes) == net.calls.count(("pull", liar)) + net.calls.count(
        ("pull_manifest", liar)
    )


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
        net.chain.call(left, Resign())
        net.chain.advance(net.chain.parameters.notice)
        net.chain.call(left, SetNodeState(NodeState.LEFT))
        net.chain.call(lost, Surrender(lost, view.record.file, 2))
        await net.caught_up()
        view = now(net, view)
        net.members[view.record.holders[3]].up = False
        net.calls.clear()
        done = await carried_out(bench, step_for(net, view))
        assert (done.outcome, done.remade) == (Outcome.DONE, 0)
        assert {node for call, node in net.calls if call == "pull"} == {
            view.record.holders[3],  # in vain
            view.record.holders[0],  # in the end
        }


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


async def test_a_target_that_lacks_what_does_not_exist_is_given_up(net, bench):
    view = await bench.upload(DATA)
    step = step_for(net, view)

    def fault(call, _node):
        if call == "accept":
            raise MissingPiecesError((count(view),), "one more")

    net.fault = fault
    with pytest.raises(UnavailableError, match="does not keep what it is given"):
        await carried_out(bench, step)


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
