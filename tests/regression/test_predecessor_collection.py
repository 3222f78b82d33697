"""Mistakes of PaddleDTX XuperDB in removing what storage nodes keep.

Number 10: a node removed files by the expiry it had noted when they came, so renewed files
were lost. Number 6: anyone could publish a file that named slices of others with an expiry
in the past, and their nodes deleted them.
"""

from dataclasses import replace

import pytest

from xdb.errors import RefusedCallError
from xdb.model.calls import Delete, Move, Publish, Release
from xdb.model.refusal import Refusal
from xdb.tasks.collector import CollectorReport
from xdb.testing.audits import RealDraft
from xdb.testing.collecting import Collecting
from xdb.testing.registry import DAY, TWO_COPIES

LIFE = 10 * DAY


@pytest.fixture
def world():
    return Collecting()


async def pass_days(world, days):
    """Days in which every node collects, and every epoch has a seed."""
    end = world.now + days * DAY
    while world.now < end:
        world.next_epoch()
        for node in world.nodes:
            await world.collect(node)
        await world.pass_time(7 * 3600)


# ---------------------------------------------------------------- number 10


async def test_10_a_renewed_file_outlives_the_expiry_it_came_with(world):
    draft = await world.upload("file", life=LIFE)
    await pass_days(world, 5)
    await world.renew(draft, world.now + 25 * DAY)
    await pass_days(world, 23)
    assert world.has(world.nodes[0], draft.id, 1)
    assert world.has(world.nodes[1], draft.id, 2)


@pytest.mark.parametrize("deleted", [False, True])
async def test_10_a_file_brought_back_in_retention_stays(world, deleted):
    draft = await world.upload("file", life=LIFE)
    if deleted:
        await world.delete(draft)
    else:
        await pass_days(world, 11)
    await pass_days(world, 4)
    await world.renew(draft, world.now + 22 * DAY)
    await pass_days(world, 20)
    assert world.has(world.nodes[0], draft.id, 1)
    assert world.has(world.nodes[1], draft.id, 2)


async def test_10_a_renewed_file_that_was_moved_stays_with_its_new_holder(world):
    draft = await world.upload("file", life=LIFE)
    await pass_days(world, 2)
    await world.move(draft, 1, world.nodes[2])
    await world.renew(draft, world.now + 25 * DAY)
    await pass_days(world, 23)
    assert world.has(world.nodes[2], draft.id, 1)
    assert not world.has(world.nodes[0], draft.id, 1)


async def test_10_what_is_not_renewed_does_go(world):
    draft = await world.upload("file", life=LIFE)
    await pass_days(world, 19)
    assert not world.has(world.nodes[0], draft.id, 1)


# ---------------------------------------------------------------- number 6


async def victim(world):
    draft = await world.upload("victim")
    await pass_days(world, 2)
    return draft


async def check_untouched(world, draft):
    await pass_days(world, 10)
    for slot, node in enumerate(world.nodes[:2], start=1):
        assert world.has(node, draft.id, slot)
        assert await world.collect(node) == CollectorReport(1)


def forged(world, draft, expiry):
    """A file of Bob over the slices of Alice's, with the receipts that her holders gave."""
    copy = RealDraft(world.chain.deployment, world.bob, draft.title, TWO_COPIES)
    theirs = draft.new(world.nodes[:2], expiry=world.now + DAY, valid_until=world.now)
    return replace(copy.new((), expiry=expiry, valid_until=0), holders=theirs.holders)


@pytest.mark.parametrize("ahead", [-DAY, 0, DAY])
async def test_6_a_file_over_the_slices_of_another_is_refused(world, ahead):
    draft = await victim(world)
    with pytest.raises(RefusedCallError) as refused:
        world.call(world.bob, Publish((forged(world, draft, world.now + ahead),)))
    assert refused.value.refusal is (Refusal.EXPIRY if ahead <= 0 else Refusal.RECEIPT)
    await check_untouched(world, draft)


async def test_6_a_short_lived_file_of_another_takes_only_its_own_bytes(world):
    """Even nodes that accept the same bytes for Bob keep those of Alice apart."""
    draft = await victim(world)
    copy = RealDraft(world.chain.deployment, world.bob, draft.title, TWO_COPIES)
    for slot, node in enumerate(world.nodes[:2], start=1):
        await world.store(node, copy, slot)
    new = copy.new(world.nodes[:2], expiry=world.now + 1, valid_until=world.now)
    world.call(world.bob, Publish((new,)))
    world.drafts[copy.id] = copy
    await check_untouched(world, draft)
    assert not world.has(world.nodes[0], copy.id, 1)


async def test_6_only_the_owner_ends_or_moves_a_file(world):
    draft = await victim(world)
    holder = await world.store(world.nodes[3], draft, 1)
    for call in (Delete(draft.id), Move(draft.id, 1, 1, holder), Release(draft.id)):
        with pytest.raises(RefusedCallError):
            world.call(world.bob, call)
    await check_untouched(world, draft)
