from dataclasses import replace

import pytest

from xdb.core import merkle
from xdb.core.rules.state import holding_key
from xdb.model.calls import (
    Delete,
    Extend,
    Move,
    Publish,
    Renew,
    Renewal,
    SetNodeState,
    Shrink,
    Surrender,
)
from xdb.model.events import FileExtended, FileMoved, FileShrunk
from xdb.model.ids import FileId
from xdb.model.refusal import Refusal
from xdb.model.registry import Coding, NodeState, Redundancy
from xdb.testing.registry import DAY, World, digest, namespace_call


@pytest.fixture
def draft(world):
    return world.publish(world.alice, "f")


def moved(world, draft, *, slot=1, node=2, version=1, **changes):
    values = {
        "expiry": world.record(draft.id).expiry,
        "valid_until": world.now,
        "version": version + 1,
    }
    holder = draft.accepted(slot, world.nodes[node], **(values | changes))
    return Move(draft.id, version, slot, holder)


def siblings(draft, slots):
    roots = [draft.holding(slot).root for slot in range(1, slots + 1)]
    return merkle.extension_siblings([draft.manifest, *roots])


def extended(world, draft, *, node=2, version=1, slots=2, **changes):
    values = {
        "expiry": world.record(draft.id).expiry,
        "valid_until": world.now,
        "version": version + 1,
        "slots": slots + 1,
    }
    holder = draft.accepted(slots + 1, world.nodes[node], **(values | changes))
    return Extend(draft.id, version, holder, siblings(draft, slots))


def shrunk(_world, draft, *, version=1, slots=2):
    """Drops the last of so many slots."""
    roots = [draft.holding(slot).root for slot in range(1, slots + 1)]
    return Shrink(draft.id, version, merkle.shrink_siblings([draft.manifest, *roots]))


# ---------------------------------------------------------------- move


def test_a_slot_goes_to_another_node(world, draft):
    world.chain.advance(3600)
    before = world.record(draft.id)
    call = moved(world, draft)
    assert world.call(world.alice, call) == (
        FileMoved(draft.id, 1, world.nodes[0].node, call.holder, 2),
    )
    assert world.record(draft.id) == replace(
        before, version=2, holders=(world.nodes[2].node, world.nodes[1].node)
    )
    values = world.chain.state.values
    assert holding_key(world.nodes[0].node, 0, draft.id, 1) not in values
    assert holding_key(world.nodes[2].node, 1, draft.id, 1) in values
    assert holding_key(world.nodes[1].node, 0, draft.id, 2) in values


@pytest.mark.parametrize("later", [0, 3600])
def test_the_same_node_may_be_chosen_again(world, draft, later):
    world.chain.advance(later)
    world.call(world.alice, moved(world, draft, node=0))
    keys = [key for key in world.chain.state.values if key.startswith(b"o/" + world.nodes[0].node)]
    assert keys == [holding_key(world.nodes[0].node, later // 3600, draft.id, 1)]


def test_a_move_counts_only_for_the_version_it_was_made_for(world, draft, refused):
    first, second = moved(world, draft), moved(world, draft, slot=2, node=3)
    world.call(world.alice, first)
    with refused(Refusal.VERSION, "version 2, not 1", "repeat"):
        world.call(world.alice, second)
    with refused(Refusal.RECEIPT, "version 3"):
        world.call(world.alice, replace(second, version=2))
    world.call(world.alice, moved(world, draft, slot=2, node=3, version=2))


def test_the_new_node_holds_no_other_slot(world, draft, refused):
    with refused(Refusal.HOLDERS, "slot 2"):
        world.call(world.alice, moved(world, draft, node=1))


@pytest.mark.parametrize("state", [NodeState.DRAINING, NodeState.OFFLINE])
def test_the_new_node_is_online(world, draft, refused, state):
    world.call(world.nodes[2], SetNodeState(state))
    with refused(Refusal.NODE_STATE):
        world.call(world.alice, moved(world, draft))


def test_the_old_node_need_not_be(world, draft):
    world.call(world.nodes[0], SetNodeState(NodeState.OFFLINE))
    world.call(world.alice, moved(world, draft))


@pytest.mark.parametrize(
    "changes", [{"root": digest("x")}, {"leaves": 3}, {"replica_leaves": 1}, {"size": 1999}]
)
def test_the_same_holding_moves(world, draft, refused, changes):
    call = moved(world, draft)
    with refused(Refusal.ROOT, "slot 1"):
        world.call(world.alice, replace(call, holder=replace(call.holder, **changes)))


def test_a_moves_receipt_is_in_order(world, draft, refused):
    expiry = world.record(draft.id).expiry
    for call, refusal in (
        (moved(world, draft, valid_until=world.now - 1), Refusal.RECEIPT),
        (moved(world, draft, valid_until=world.now + 3601), Refusal.RECEIPT),
        (moved(world, draft, expiry=expiry - 1), Refusal.EXPIRY),
        (replace(moved(world, draft), slot=2), Refusal.ROOT),
        (replace(moved(world, draft), slot=0), Refusal.SLOT),
        (replace(moved(world, draft), slot=3), Refusal.SLOT),
    ):
        with refused(refusal):
            world.call(world.alice, call)


def test_files_in_retention_move_until_they_are_gone(world, draft, refused):
    world.call(world.alice, Delete(draft.id))
    world.chain.advance(world.parameters.retention - 1)
    world.call(world.alice, moved(world, draft))
    world.chain.advance(1)
    with refused(Refusal.GONE):
        world.call(world.alice, moved(world, draft, node=3, version=2))


# ---------------------------------------------------------------- extend


def test_one_copy_more(world, draft):
    before = world.record(draft.id)
    call = extended(world, draft)
    assert world.call(world.alice, call) == (
        FileExtended(draft.id, 3, call.holder, draft.root(3), 2),
    )
    assert world.record(draft.id) == replace(
        before,
        root=draft.root(3),
        redundancy=Redundancy(Coding.COPIES, 1, 3),
        version=2,
        holders=(*before.holders, world.nodes[2].node),
    )
    assert holding_key(world.nodes[2].node, 0, draft.id, 3) in world.chain.state.values


def test_copy_after_copy_up_to_the_most():
    world = World(nodes=33)
    draft = world.publish(world.alice, "f")
    for slots in range(2, 32):
        call = extended(world, draft, node=slots, version=slots - 1, slots=slots)
        world.call(world.alice, call)
        assert world.record(draft.id).root == draft.root(slots + 1)
    call = extended(world, draft, node=32, version=31, slots=32)
    with pytest.raises(Exception, match="the most there may be"):
        world.call(world.alice, call)


def test_siblings_prove_all_other_leaves(world, draft, refused):
    call = extended(world, draft)
    right = call.siblings
    for wrong in (
        (),
        right[:-1],
        (*right, digest("x")),
        (digest("x"), *right[1:]),
        right[::-1],
        (digest("x"),) * 65,
    ):
        refusal = Refusal.TOO_LARGE if len(wrong) > 64 else Refusal.ROOT
        with refused(refusal):
            world.call(world.alice, replace(call, siblings=wrong))


def test_the_receipt_is_over_the_new_root(world, draft, refused):
    holder = draft.accepted(
        3,
        world.nodes[2],
        expiry=world.record(draft.id).expiry,
        valid_until=world.now,
        version=2,
        slots=2,
    )
    with refused(Refusal.RECEIPT):
        world.call(world.alice, replace(extended(world, draft), holder=holder))


@pytest.mark.parametrize("changes", [{"leaves": 3}, {"replica_leaves": 1}, {"size": 1999}])
def test_a_copy_is_as_large_as_the_others(world, draft, refused, changes):
    call = extended(world, draft)
    with refused(Refusal.INVALID, "seal all slices"):
        world.call(world.alice, replace(call, holder=replace(call.holder, **changes)))


def test_the_new_holder_is_new_and_online(world, draft, refused):
    with refused(Refusal.HOLDERS, "slot 1"):
        world.call(world.alice, extended(world, draft, node=0))
    world.call(world.nodes[2], SetNodeState(NodeState.DRAINING))
    with refused(Refusal.NODE_STATE):
        world.call(world.alice, extended(world, draft))


def test_only_live_files_are_extended(world, draft, refused):
    world.call(world.alice, Delete(draft.id))
    with refused(Refusal.GONE):
        world.call(world.alice, extended(world, draft))


def test_extending_counts_only_for_its_version(world, draft, refused):
    call = extended(world, draft)
    world.call(world.alice, call)
    with refused(Refusal.VERSION):
        world.call(world.alice, call)


def test_erasure_coded_files_keep_their_slots(world, refused):
    coded = Redundancy(Coding.ERASURE, 2, 3)
    world.call(world.alice, namespace_call("coded", coded))
    draft = world.draft(world.alice, "g", coded)
    new = draft.new(
        world.nodes[:3], expiry=world.now + DAY, valid_until=world.now, namespace="coded"
    )
    world.call(world.alice, Publish((new,)))
    with refused(Refusal.POLICY, "erasure-coded"):
        world.call(world.alice, extended(world, draft, node=3, slots=3))
    world.call(world.alice, moved(world, draft, slot=3, node=3))


# ---------------------------------------------------------------- shrink


def test_one_copy_less(world, draft):
    world.chain.advance(3600)
    before = world.record(draft.id)
    second = world.nodes[1].node
    assert world.call(world.alice, shrunk(world, draft)) == (
        FileShrunk(draft.id, 2, second, draft.root(1), 2),
    )
    assert world.record(draft.id) == replace(
        before,
        root=draft.root(1),
        redundancy=Redundancy(Coding.COPIES, 1, 1),
        version=2,
        holders=before.holders[:1],
    )
    values = world.chain.state.values
    assert holding_key(second, 0, draft.id, 2) not in values
    assert holding_key(world.nodes[0].node, 0, draft.id, 1) in values


def test_copy_after_copy_down_to_the_last(refused):
    world = World(nodes=20)
    draft = world.publish(world.alice, "f")
    for slots in range(2, 20):
        world.call(world.alice, extended(world, draft, node=slots, version=slots - 1, slots=slots))
    version = 19
    for slots in range(20, 1, -1):
        world.call(world.alice, shrunk(world, draft, version=version, slots=slots))
        version += 1
        assert world.record(draft.id).root == draft.root(slots - 1)
    with refused(Refusal.POLICY, "the last copy stays"):
        world.call(world.alice, shrunk(world, draft, version=version, slots=1))
    assert len(world.record(draft.id).holders) == 1


def test_siblings_prove_all_leaves_that_stay(world, draft, refused):
    world.call(world.alice, extended(world, draft))
    call = shrunk(world, draft, version=2, slots=3)
    right = call.siblings
    for wrong in (
        (),
        right[:-1],
        (*right, digest("x")),
        (digest("x"), *right[1:]),
        right[::-1],
        shrunk(world, draft).siblings,
        (digest("x"),) * 65,
    ):
        refusal = Refusal.TOO_LARGE if len(wrong) > 64 else Refusal.ROOT
        with refused(refusal):
            world.call(world.alice, replace(call, siblings=wrong))
    world.call(world.alice, call)


def test_shrinking_counts_only_for_its_version(world, draft, refused):
    world.call(world.alice, extended(world, draft))
    call = shrunk(world, draft, version=2, slots=3)
    with refused(Refusal.VERSION, "version 2, not 1"):
        world.call(world.alice, replace(call, version=1))
    world.call(world.alice, call)
    with refused(Refusal.VERSION, "version 3, not 2"):
        world.call(world.alice, call)


def test_files_in_retention_shrink_until_they_are_gone(world, draft, refused):
    world.call(world.alice, extended(world, draft))
    world.chain.advance(DAY)  # it has expired
    world.call(world.alice, shrunk(world, draft, version=2, slots=3))
    world.chain.advance(world.parameters.retention)
    with refused(Refusal.GONE):
        world.call(world.alice, shrunk(world, draft, version=3))


def test_erasure_coded_files_do_not_shrink(world, refused):
    coded = Redundancy(Coding.ERASURE, 2, 3)
    world.call(world.alice, namespace_call("coded", coded))
    draft = world.draft(world.alice, "g", coded)
    new = draft.new(
        world.nodes[:3], expiry=world.now + DAY, valid_until=world.now, namespace="coded"
    )
    world.call(world.alice, Publish((new,)))
    with refused(Refusal.POLICY, "erasure-coded"):
        world.call(world.alice, shrunk(world, draft, slots=3))


def test_a_slot_that_was_given_up_is_dropped_like_another(world, draft):
    world.call(world.nodes[1], Surrender(world.nodes[1].node, draft.id, 2))
    world.call(world.alice, shrunk(world, draft))
    assert world.record(draft.id).holders == (world.nodes[0].node,)


def test_a_dropped_slot_is_added_again_with_any_node(world, draft):
    world.call(world.alice, shrunk(world, draft))
    world.call(world.alice, extended(world, draft, node=1, version=2, slots=1))
    assert world.record(draft.id).root == draft.root(2)
    world.call(world.alice, shrunk(world, draft, version=3))
    world.call(world.alice, extended(world, draft, node=3, version=4, slots=1))
    assert world.record(draft.id).holders == (world.nodes[0].node, world.nodes[3].node)
    keys = [key for key in world.chain.state.values if key.startswith(b"o/" + world.nodes[1].node)]
    assert keys == []


def test_receipts_from_before_a_shrink_do_not_count(world, draft, refused):
    later = world.now + 2 * DAY
    first = world.nodes[0]
    of_the_past = {"expiry": later, "valid_until": world.now}
    renewal = draft.accepted(1, first, **of_the_past)
    same_version = draft.accepted(1, first, version=2, **of_the_past)
    move = moved(world, draft)
    world.call(world.alice, shrunk(world, draft))
    for holder in (renewal, same_version):
        with refused(Refusal.RECEIPT):
            world.call(world.alice, Renew(draft.id, later, (Renewal(1, holder),)))
    with refused(Refusal.VERSION):
        world.call(world.alice, move)
    with refused(Refusal.RECEIPT):
        world.call(world.alice, replace(move, version=2))
    good = draft.accepted(1, first, version=2, slots=1, **of_the_past)
    world.call(world.alice, Renew(draft.id, later, (Renewal(1, good),)))


@pytest.mark.parametrize("make", [moved, extended, shrunk])
def test_only_the_owner_changes_slots(world, draft, refused, make):
    call = make(world, draft)
    for stranger in (world.bob, world.nodes[2]):
        with refused(Refusal.NOT_ALLOWED):
            world.call(stranger, call)
    with refused(Refusal.FILE_UNKNOWN):
        world.call(world.alice, replace(call, file=FileId(bytes(32))))
