import asyncio

import pytest

from xdb.errors import RefusedCallError, UnavailableError
from xdb.model.calls import Publish, Release, Renew, Surrender
from xdb.store import catalog
from xdb.tasks.collector import CollectorReport
from xdb.testing.audits import RealDraft
from xdb.testing.collecting import Collecting
from xdb.testing.registry import DAY, TWO_COPIES

HOUR = 3600
KEPT_FOR_RECEIPT = CollectorReport(1, waiting_for_receipts=1)
KEPT_FOR_EPOCH = CollectorReport(1, waiting_for_epochs=1)
KEPT_FOR_FINALITY = CollectorReport(1, waiting_for_finality=1)


@pytest.fixture
def world():
    return Collecting()


@pytest.fixture
def nodes(world):
    return world.nodes


def stray_of(world, title="stray"):
    return RealDraft(world.chain.deployment, world.alice, title, TWO_COPIES)


async def next_epoch(world, **how):
    world.next_epoch(**how)
    await world.follow()


async def until_gone(world, draft):
    """To the first second at which the file is gone."""
    gone = world.record(draft.id).gone(world.parameters.retention)
    await world.pass_time(gone - world.now)


# ---------------------------------------------------------------- what is referenced


@pytest.mark.parametrize("days", [0, 10, 30, 36])
async def test_a_published_file_stays_to_the_end_of_its_retention(world, nodes, days):
    draft = await world.upload("file")
    await world.pass_time(days * DAY)
    assert await world.collect(nodes[0]) == CollectorReport(1)
    assert world.has(nodes[0], draft.id, 1)


async def test_a_gone_file_goes_when_receipts_and_epochs_are_over(world, nodes):
    draft = await world.upload("file")
    await next_epoch(world)
    await until_gone(world, draft)
    assert await world.collect(nodes[0]) == KEPT_FOR_RECEIPT
    await world.pass_time(HOUR)
    assert await world.collect(nodes[0]) == KEPT_FOR_EPOCH  # epoch 1 asks until the next seed
    await next_epoch(world)
    used = world.keepers[nodes[0].node].store.room.used
    assert await world.collect(nodes[0]) == CollectorReport(1, 1, used)
    assert not world.has(nodes[0], draft.id, 1)
    assert world.has(nodes[1], draft.id, 2)
    assert world.keepers[nodes[0].node].store.room.used == 0


async def test_a_deleted_file_goes_after_its_retention(world, nodes):
    draft = await world.upload("file")
    await world.delete(draft)
    await world.pass_time(world.parameters.retention - 1)
    assert await world.collect(nodes[0]) == CollectorReport(1)
    await world.pass_time(2 * HOUR + 1)
    assert (await world.collect(nodes[0])).removed == 1


async def test_what_a_node_gave_up_stays_while_it_is_the_recorded_holder(world, nodes):
    draft = await world.upload("file")
    world.call(nodes[0], Surrender(nodes[0].node, draft.id, 1))
    await world.pass_time(10 * DAY)
    assert world.index.file(draft.id).lost == (1,)
    assert await world.collect(nodes[0]) == CollectorReport(1)


# ---------------------------------------------------------------- renewed and brought back


@pytest.mark.parametrize("deleted", [False, True])
async def test_what_is_renewed_at_the_last_moment_stays(world, nodes, deleted):
    draft = await world.upload("file")
    if deleted:
        await world.delete(draft)
    gone = world.record(draft.id).gone(world.parameters.retention)
    await world.pass_time(gone - 1 - world.now)
    await world.collect(nodes[0])
    await world.renew(draft, world.now + 30 * DAY)
    for _ in range(20):
        await next_epoch(world)
        assert await world.collect(nodes[0]) == CollectorReport(1)
    assert world.has(nodes[0], draft.id, 1)


async def test_what_is_renewed_in_another_history_stays(nodes):
    world = Collecting(lag=2)
    draft = await world.upload("file", life=DAY)
    await world.pass_time(HOUR)
    gone = world.record(draft.id).gone(world.parameters.retention)
    await world.pass_time(gone - 1 - world.now)
    before = world.chain.head.height
    await world.pass_time(2 * HOUR + 1)
    assert await world.collect(nodes[0]) == KEPT_FOR_FINALITY
    await world.roll_back(world.chain.head.height - before)
    world.chain._ahead -= 2 * HOUR + 1  # time in the other history
    await world.renew(draft, world.now + 30 * DAY)
    for _ in range(3):
        await world.pass_time(2 * HOUR)
        assert await world.collect(nodes[0]) == CollectorReport(1)


async def test_whether_a_slot_may_go_is_asked_again_when_nobody_is_at_it(world, nodes):
    draft = stray_of(world)
    await world.store(nodes[0], draft, 1)
    await world.pass_time(world.parameters.stray_grace - 10)
    await world.collect(nodes[0])
    await next_epoch(world)
    await world.pass_time(2 * HOUR)
    keeper = world.keepers[nodes[0].node]
    release = asyncio.Event()

    async def busy():
        async with keeper.store._locks.alone((draft.id, 1)):
            await release.wait()

    holding = asyncio.ensure_future(busy())
    await asyncio.sleep(0)
    cycle = asyncio.ensure_future(world.collect(nodes[0]))
    for _ in range(20):
        await asyncio.sleep(0)
    keeper.index.audits.may_ask_until = lambda _: True  # what the index says by then
    release.set()
    await holding
    assert (await cycle).removed == 0
    assert world.has(nodes[0], draft.id, 1)


# ---------------------------------------------------------------- strays


async def test_a_stray_goes_after_its_grace_and_not_before(world, nodes):
    await world.store(nodes[0], stray_of(world), 1)
    assert await world.collect(nodes[0]) == KEPT_FOR_RECEIPT
    await world.pass_time(world.parameters.stray_grace)
    assert await world.collect(nodes[0]) == KEPT_FOR_RECEIPT
    await world.pass_time(1)
    assert (await world.collect(nodes[0])).removed == 1


async def test_many_slots_are_looked_at(world, nodes, monkeypatch):
    monkeypatch.setattr("xdb.tasks.collector.TURN", 2)
    for number in range(5):
        await world.store(nodes[0], stray_of(world, f"stray {number}"), 1)
    await world.collect(nodes[0])
    await world.pass_time(world.parameters.stray_grace + 1)
    report = await world.collect(nodes[0])
    assert (report.looked_at, report.removed) == (5, 5)


# ---------------------------------------------------------------- moved, dropped, released


async def test_what_was_moved_away_stays_while_an_epoch_may_ask_for_it(world, nodes):
    draft = await world.upload("file")
    await next_epoch(world)
    await world.pass_time(2 * DAY)
    await next_epoch(world)
    assert await world.move(draft, 1, nodes[2])
    assert await world.collect(nodes[0]) == KEPT_FOR_RECEIPT
    await next_epoch(world, seed=False)
    await world.pass_time(1)
    assert await world.collect(nodes[0]) == KEPT_FOR_EPOCH
    await next_epoch(world)
    assert (await world.collect(nodes[0])).removed == 1
    assert await world.collect(nodes[2]) == CollectorReport(1)


async def test_what_is_moved_away_after_a_restart_waits_as_long(world, nodes):
    draft = await world.upload("file")
    await world.pass_time(2 * DAY)
    await next_epoch(world)
    await world.move(draft, 1, nodes[2])
    await next_epoch(world)
    await world.pass_time(1)
    world.keepers[nodes[0].node].restart()
    assert (await world.collect(nodes[0])).removed == 1  # the record says since when


async def test_a_move_under_way_finds_its_target_as_it_left_it(world, nodes):
    draft = await world.upload("file")
    await world.pass_time(2 * DAY)
    holder = await world.store(nodes[2], draft, 1)
    assert await world.collect(nodes[2]) == KEPT_FOR_RECEIPT
    for _ in range(24):
        await next_epoch(world)
        assert await world.collect(nodes[2]) == KEPT_FOR_RECEIPT
    assert holder.valid_until < world.now
    await next_epoch(world)
    assert (await world.collect(nodes[2])).removed == 1


async def test_what_comes_back_stays(world, nodes):
    draft = await world.upload("file")
    await world.pass_time(HOUR)
    assert await world.move(draft, 1, nodes[2])
    assert await world.collect(nodes[0]) == KEPT_FOR_RECEIPT
    await world.pass_time(HOUR)
    assert await world.move(draft, 1, nodes[0])
    for _ in range(30):
        await next_epoch(world)
        assert await world.collect(nodes[0]) == CollectorReport(1)
    assert (await world.collect(nodes[2])).removed == 1


async def test_what_went_came_back_and_went_again_counts_from_the_last_time(world, nodes):
    draft = await world.upload("file")
    await world.pass_time(20 * HOUR)
    await world.move(draft, 1, nodes[2])
    await world.collect(nodes[0])
    await world.pass_time(HOUR)
    await world.move(draft, 1, nodes[0])
    await world.pass_time(5 * DAY)
    await world.move(draft, 1, nodes[3])
    assert await world.collect(nodes[0]) == KEPT_FOR_RECEIPT
    assert world.has(nodes[0], draft.id, 1)


async def test_a_dropped_slot_waits_from_when_it_was_first_seen(world, nodes):
    draft = await world.upload("file")
    await world.pass_time(2 * DAY)
    await next_epoch(world)
    await world.shrink(draft)
    assert await world.collect(nodes[1]) == KEPT_FOR_RECEIPT
    world.keepers[nodes[1].node].restart()
    await next_epoch(world)
    await world.pass_time(1)
    assert await world.collect(nodes[1]) == KEPT_FOR_RECEIPT  # a new memory waits again
    await next_epoch(world)
    await world.pass_time(2)
    assert (await world.collect(nodes[1])).removed == 1
    assert await world.collect(nodes[0]) == CollectorReport(1)


async def test_a_released_file_waits_from_when_that_was_first_seen(world, nodes):
    draft = await world.upload("file")
    await until_gone(world, draft)
    await world.release(draft)
    assert await world.collect(nodes[0]) == KEPT_FOR_RECEIPT
    await next_epoch(world)
    await world.pass_time(HOUR)
    assert (await world.collect(nodes[0])).removed == 1


# ---------------------------------------------------------------- finality


@pytest.mark.parametrize("what", ["gone", "moved"])
async def test_nothing_goes_before_the_block_that_showed_it_is_final(nodes, what):
    world = Collecting(lag=3)
    draft = await world.upload("file")
    await world.pass_time(2 * DAY)
    if what == "moved":
        await world.move(draft, 1, nodes[2])
        await world.pass_time(3 * HOUR)
    else:
        await until_gone(world, draft)
        await world.pass_time(3 * HOUR)
    for _ in range(3):
        assert await world.collect(nodes[0]) == KEPT_FOR_FINALITY
        await world.pass_time(1)
    assert (await world.collect(nodes[0])).removed == 1


async def test_a_rollback_begins_the_wait_again(nodes):
    world = Collecting(lag=3)
    draft = await world.upload("file")
    await until_gone(world, draft)
    await world.pass_time(3 * HOUR)
    assert await world.collect(nodes[0]) == KEPT_FOR_FINALITY
    await world.roll_back(1)
    for _ in range(2):
        await world.pass_time(3 * HOUR)
    assert await world.collect(nodes[0]) == KEPT_FOR_FINALITY
    for _ in range(3):
        await world.pass_time(1)
    assert (await world.collect(nodes[0])).removed == 1


async def test_a_restart_begins_the_wait_again(nodes):
    world = Collecting(lag=3)
    await world.upload("file", life=DAY)
    await world.pass_time(20 * DAY)
    assert await world.collect(nodes[0]) == KEPT_FOR_FINALITY
    for _ in range(3):
        await world.pass_time(1)
    world.keepers[nodes[0].node].restart()
    assert await world.collect(nodes[0]) == KEPT_FOR_FINALITY


async def test_nothing_goes_while_the_chain_is_not_known_up_to_now(world, nodes):
    await world.store(nodes[0], stray_of(world), 1)
    keeper = world.keepers[nodes[0].node]
    await world.collect(nodes[0])
    await world.pass_time(2 * DAY)
    keeper.clock.jump(2 * DAY + HOUR + 1)
    report = await world.collect(nodes[0])
    assert (report.looked_at, report.removed) == (0, 0)
    assert "3601 s old" in report.note
    keeper.clock.jump(-1)
    assert (await world.collect(nodes[0])).removed == 1


# ---------------------------------------------------------------- faults


async def test_what_cannot_be_read_or_removed_stops_nothing(world, nodes, monkeypatch):
    drafts = [stray_of(world, f"stray {number}") for number in range(4)]
    for draft in drafts:
        await world.store(nodes[0], draft, 1)
    keeper = world.keepers[nodes[0].node]
    await world.collect(nodes[0])
    await world.pass_time(2 * DAY)
    order = list(keeper.store.catalog.names())
    unreadable, stuck = order[0], order[1]
    await keeper.kv.write({b"s/" + catalog.cursor(*unreadable): b"rot"}, sync=True)
    remove_if = keeper.store.remove_if

    async def stubborn(file, slot, still):
        if (file, slot) == stuck:
            raise UnavailableError("the disk is busy")
        return await remove_if(file, slot, still)

    monkeypatch.setattr(keeper.store, "remove_if", stubborn)
    report = await world.collect(nodes[0])
    assert (report.looked_at, report.removed) == (4, 2)
    first, second = report.problems
    assert "damaged SlotEntry" in first
    assert "the disk is busy" in second


async def test_a_store_that_has_failed_is_left_alone(world, nodes):
    await world.store(nodes[0], stray_of(world), 1)
    keeper = world.keepers[nodes[0].node]
    keeper.store.files.failed = "no sync"
    assert await world.collect(nodes[0]) == CollectorReport()


# ---------------------------------------------------------------- receipts


async def test_a_receipt_is_worthless_before_its_slot_goes(world, nodes):
    """Publishing at the last moment works, or the slot is gone: never both."""
    draft = stray_of(world, "late")
    await world.store(nodes[0], draft, 1)
    await world.collect(nodes[0])
    await world.pass_time(world.parameters.stray_grace - 10)
    holder = await world.store(nodes[0], draft, 1)
    await world.pass_time(11)
    assert holder.valid_until < world.now
    assert (await world.collect(nodes[0])).removed == 1


async def test_receipts_from_before_the_end_find_the_bytes(world, nodes):
    """An owner releases its file and publishes it again under receipts of its first life."""
    draft = await world.upload("file")
    await until_gone(world, draft)
    world.chain._ahead -= 1
    until = world.now + world.parameters.receipt_validity
    again = draft.new(nodes[:2], expiry=world.now + 60 * DAY, valid_until=until)
    await world.pass_time(HOUR)
    assert world.now <= until
    world.call(world.bob, Release(draft.id))
    await world.collect(nodes[0])
    await world.follow()
    world.call(world.alice, Publish((again,)))
    await world.follow()
    assert await world.collect(nodes[0]) == CollectorReport(1)


async def test_nobody_renews_what_is_gone(world):
    draft = await world.upload("file")
    await until_gone(world, draft)
    with pytest.raises(RefusedCallError, match="is gone"):
        world.call(world.alice, Renew(draft.id, world.now + DAY, ()))
