import pytest

from xdb.model.calls import SetNodeState, Surrender, UpdateNamespace
from xdb.model.health import Colour, Reason, Silence
from xdb.model.registry import Coding, NodeState, Redundancy
from xdb.services.health.look import Look
from xdb.testing.keys import NamedKey
from xdb.testing.living import EPOCH, living
from xdb.testing.observed import Observed, Spoilt


@pytest.fixture
async def world():
    async with living() as made:
        yield made


@pytest.fixture
def observed():
    return Observed()


def look(world, observed):
    index = world.net.index
    return Look(index, observed, index.head.time)


async def uploaded(world, epochs=2):
    view = await world.bench.upload(b"x" * 100_000)
    await world.epochs(epochs)
    return world.net.index.file(view.record.file)


def reasons(health):
    return [[trigger.reason for trigger in slot.triggers] for slot in health.slots]


async def test_a_file_whose_nodes_do_their_duty_is_green(world, observed):
    view = await uploaded(world)
    found = look(world, observed)
    assert reasons(found.file(view)) == [[], [], []]
    assert found.colour(view) is Colour.GREEN
    condition = found.node(view.record.holders[0])
    assert condition.health.tally.proved == 0  # the only epoch that asked is still open
    await world.epochs()
    condition = look(world, observed).node(view.record.holders[0])
    assert (condition.health.tally.proved, condition.triggers) == (1, ())


async def test_what_a_node_gave_up_is_lost_since_then(world, observed):
    view = await uploaded(world)
    node = view.record.holders[1]
    world.net.chain.advance(60)
    world.net.chain.call(world.net.members[node].key.address, Surrender(node, view.record.file, 2))
    await world.net.caught_up()
    view = world.net.index.file(view.record.file)
    health = look(world, observed).file(view)
    assert reasons(health) == [[], [Reason.LOST], []]
    assert health.slots[1].holding.lost == world.net.index.head.time
    assert look(world, observed).colour(view) is Colour.YELLOW


async def test_damage_counts_since_it_was_seen(world, observed):
    view = await uploaded(world)
    observed.damages[view.record.file, 3] = Spoilt(since=77)
    health = look(world, observed).file(view)
    assert reasons(health) == [[], [], [Reason.DAMAGED]]
    assert health.slots[2].holding.damaged == 77


async def test_a_node_is_silent_for_chain_and_probes_alike(world, observed):
    view = await uploaded(world)
    node = view.record.holders[0]
    now = world.net.index.head.time
    world.net.members[node].up = False
    observed.silences[node] = Silence(now, now + EPOCH)
    world.net.chain.advance(EPOCH)
    await world.net.caught_up()
    assert reasons(look(world, observed).file(view))[0] == [Reason.SILENT]
    observed.silences.clear()
    assert reasons(look(world, observed).file(view))[0] == []


async def test_two_misses_in_a_row_and_not_one(world, observed):
    view = await uploaded(world, epochs=3)
    node = view.record.holders[0]
    world.net.members[node].up = False
    await world.epochs(2)
    assert reasons(look(world, observed).file(view))[0] == []
    await world.epochs()
    assert reasons(look(world, observed).file(view))[0] == [Reason.MISSED]
    world.net.members[node].up = True
    await world.epochs(2)
    assert reasons(look(world, observed).file(view))[0] == []


async def test_misses_are_counted_far_back_however_short_epochs_and_the_window_are(observed):
    async with living(epoch=60, heartbeat=60, retention=86400, health_window=2) as world:
        view = await uploaded(world, epochs=3)
        node = view.record.holders[0]
        world.net.members[node].up = False
        await world.epochs(3)
        (before,) = look(world, observed).file(view).slots[0].triggers
        await world.epochs(20)
        (after,) = look(world, observed).file(view).slots[0].triggers
    assert before.reason is after.reason is Reason.MISSED
    assert before.since == after.since  # else the grace of a repair would never be over


async def test_a_draining_node_is_one_to_leave(world, observed):
    view = await uploaded(world)
    node = view.record.holders[2]
    world.net.chain.call(world.net.members[node].key.address, SetNodeState(NodeState.DRAINING))
    await world.net.caught_up()
    health = look(world, observed).file(view)
    assert reasons(health)[2] == [Reason.DRAINING]
    assert health.slots[2].triggers[0].since == world.net.index.head.time


async def test_a_file_follows_the_policy_of_its_namespace(world, observed):
    view = await uploaded(world)
    call = UpdateNamespace(view.record.namespace, None, Redundancy(Coding.COPIES, 1, 4))
    world.net.chain.call(world.net.owner.address, call)
    await world.net.caught_up()
    found = look(world, observed)
    assert (found.file(view).wanted, found.colour(view)) == (4, Colour.YELLOW)


async def test_a_slot_that_never_moved_has_no_time_of_it(world, observed):
    view = await uploaded(world)
    assert [slot.holding.moved for slot in look(world, observed).file(view).slots] == [0, 0, 0]


async def test_damage_is_not_held_against_whoever_took_the_slot_over(world, observed):
    """Another owner node moved it: this one has not asked the new holder yet."""
    view = await uploaded(world)
    former, present = NamedKey("former").node, view.record.holders[2]
    observed.damages[view.record.file, 3] = Spoilt(since=77, node=former)
    assert reasons(look(world, observed).file(view)) == [[], [], []]
    observed.damages[view.record.file, 3] = Spoilt(since=77, node=present)
    assert reasons(look(world, observed).file(view)) == [[], [], [Reason.DAMAGED]]
