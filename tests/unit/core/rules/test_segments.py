import pytest

from xdb.core.rules.segments import Extent, Space
from xdb.model.calls import Delete, Move, Release, Seal, SetNodeState, Surrender
from xdb.model.events import BucketsSealed, HoldingRef, HoldingSurrendered
from xdb.model.refusal import Refusal
from xdb.model.registry import NodeState
from xdb.testing.audits import AuditWorld
from xdb.testing.registry import DAY


@pytest.fixture
def world():
    return AuditWorld()


def moved(world, draft, slot, node):
    record = world.record(draft.id)
    holder = draft.accepted(
        slot,
        world.nodes[node],
        expiry=record.expiry,
        valid_until=world.now,
        version=record.version + 1,
    )
    return Move(draft.id, record.version, slot, holder)


def test_holdings_become_segments_when_their_epoch_is_over(world, refused):
    node = world.nodes[0]
    first, second = world.add("one"), world.add("two")
    with refused(Refusal.UNSEALED, "nothing to do"):
        world.call(world.bob, Seal(node.node, 10))
    world.next_epoch(seal=False)
    (event,) = world.call(world.bob, Seal(node.node, 10))
    assert event == BucketsSealed(
        node.node, 0, 0, tuple(HoldingRef(f, 1) for f in sorted([first.id, second.id]))
    )
    leaves = first.holding(1).leaves
    assert [held.start for held in world.segments(node)] == [0, leaves]


def test_sealing_goes_on_where_it_stopped(world):
    node = world.nodes[1]
    for title in "abc":
        world.add(title)
    world.next_epoch(seal=False)
    first = world.call(world.bob, Seal(node.node, 2))[0]
    second = world.call(world.alice, Seal(node.node, 2))[0]
    assert (len(first.holdings), second.first, len(second.holdings)) == (2, 2, 1)
    ends = [held.start + held.holding.leaves for held in world.segments(node)]
    assert second.start == ends[1]


@pytest.mark.parametrize("limit", [0, 1001])
def test_how_much_one_call_seals_is_bounded(world, limit):
    with pytest.raises(Exception, match="holdings to seal"):
        world.call(world.bob, Seal(world.nodes[0].node, limit))


def test_what_moved_away_before_sealing_never_becomes_a_segment(world):
    draft = world.add("f")
    world.call(world.alice, moved(world, draft, 1, 2))
    world.next_epoch()
    assert world.segments(world.nodes[0]) == []
    assert [held.slot for held in world.segments(world.nodes[2])] == [1]


def test_what_moves_away_later_leaves_a_hole_from_the_next_epoch_on(world):
    draft = world.add("f")
    world.next_epoch()
    world.call(world.alice, moved(world, draft, 1, 2))
    (held,) = world.segments(world.nodes[0])
    assert held.ended == world.epoch + 1


def test_a_holding_may_come_back(world):
    draft = world.add("f")
    world.next_epoch()
    world.call(world.alice, moved(world, draft, 1, 2))
    world.next_epoch()
    world.call(world.alice, moved(world, draft, 1, 0))
    world.next_epoch()
    first, second = world.segments(world.nodes[0])
    assert (first.ended, second.ended) == (2, 0)
    assert world.segments(world.nodes[2])[0].ended


def test_a_released_file_leaves_holes(world):
    draft = world.add("f")
    world.next_epoch()
    world.call(world.alice, Delete(draft.id))
    world.chain.advance(world.parameters.retention)
    world.call(world.bob, Release(draft.id))
    assert world.segments(world.nodes[0])[0].ended


def test_a_node_with_a_segment_is_not_empty(world, refused):
    node = world.nodes[0]
    draft = world.add("f")
    world.next_epoch()
    world.call(node, SetNodeState(NodeState.DRAINING))
    with refused(Refusal.NODE_BUSY):
        world.call(node, SetNodeState(NodeState.LEFT))
    world.call(world.alice, moved(world, draft, 1, 2))
    world.call(node, SetNodeState(NodeState.LEFT))


# ---------------------------------------------------------------- surrender


@pytest.mark.parametrize("sealed", [False, True])
def test_a_node_gives_a_holding_up(world, refused, sealed):
    node, draft = world.nodes[0], world.add("f")
    if sealed:
        world.next_epoch()
    call = Surrender(node.node, draft.id, 1)
    assert world.call(node, call) == (HoldingSurrendered(node.node, draft.id, 1),)
    with refused(Refusal.SLOT, "nothing to surrender"):
        world.call(node, call)
    world.next_epoch()
    assert all(held.ended for held in world.segments(node))


def test_only_for_itself(world, refused):
    draft = world.add("f")
    with refused(Refusal.NOT_ALLOWED, "does not speak for node"):
        world.call(world.nodes[1], Surrender(world.nodes[0].node, draft.id, 1))
    with refused(Refusal.NOT_ALLOWED):
        world.call(world.alice, Surrender(world.nodes[0].node, draft.id, 1))


@pytest.mark.parametrize("slot", [0, 2, 3])
def test_only_what_it_holds(world, refused, slot):
    draft = world.add("f")
    with refused(Refusal.SLOT):
        world.call(world.nodes[0], Surrender(world.nodes[0].node, draft.id, slot))


def test_a_surrendered_slot_is_filled_by_the_same_node_or_another(world):
    draft = world.add("f", life=DAY)
    world.call(world.nodes[0], Surrender(world.nodes[0].node, draft.id, 1))
    world.call(world.alice, moved(world, draft, 1, 0))
    world.call(world.nodes[0], Surrender(world.nodes[0].node, draft.id, 1))


# ---------------------------------------------------------------- extents


def test_what_counts_for_an_epoch_was_there_before_it_began():
    space = Space(())
    assert space.before(5) == Extent(0, 0, 0)
    space = space.grown(3, 1, 10).grown(3, 2, 20).grown(4, 3, 30)
    assert [space.before(epoch).leaves for epoch in (3, 4, 5, 9)] == [0, 20, 30, 30]


def test_a_long_forgotten_extent_is_not_guessed():
    space = Space(())
    for epoch in range(10, 16):
        space = space.grown(epoch, epoch, epoch)
    assert space.before(12) is None
    assert space.before(13) == Extent(12, 12, 12)
