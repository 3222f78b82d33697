"""Repair over real connections: what nodes say of themselves crosses the wire."""

import pytest

from xdb.core.migration.model import Action
from xdb.peer.failures import MOST_PIECES
from xdb.services.repair.filling import LISTED
from xdb.services.repair.job import Outcome
from xdb.testing.network import network
from xdb.testing.owner import SLICE, chunks
from xdb.testing.owner_serving import owner_served
from xdb.testing.repair import count, damage, now, problems, step_for

DATA = bytes(range(256)) * 1000  # four slices


@pytest.fixture
async def owner():
    async with network(members=5) as net, owner_served(net) as made:
        yield made


async def uploaded(bench, data=DATA, **values):
    request = bench.request(**values)
    return await bench.uploader.upload(request, chunks(data), bench.reports.append)


@pytest.mark.parametrize("action", [Action.MOVE, Action.HANDOVER, Action.EXTEND], ids=str)
@pytest.mark.parametrize("slice_size", [SLICE, 4 * SLICE])
async def test_a_slot_goes_to_another_node(owner, action, slice_size):
    bench, net = owner.bench, owner.bench.network
    view = await uploaded(bench, slice_size=slice_size)
    step = step_for(net, view, action)
    if action is Action.MOVE:
        await owner.stop(step.source)
    done = await bench.repairer.carry_out(step)
    assert done.outcome is Outcome.DONE
    assert await problems(bench, now(net, view)) == []


async def test_damage_is_restored_in_place(owner):
    bench, net = owner.bench, owner.bench.network
    view = await uploaded(bench)
    for piece in (0, 2):
        await damage(net, view, 1, piece)
    step = step_for(net, view, Action.RESTORE)
    assert (await bench.repairer.carry_out(step, [0])).stored == 1
    assert (await bench.repairer.carry_out(step)).stored == 1
    assert await problems(bench, view) == []


async def test_more_pieces_than_a_node_names_are_stored(owner):
    assert MOST_PIECES >= LISTED
    bench, net = owner.bench, owner.bench.network
    view = await uploaded(bench, bytes(SLICE * (LISTED + 20)))
    done = await bench.repairer.carry_out(step_for(net, view))
    assert (done.outcome, done.stored) == (Outcome.DONE, count(view))
    assert await problems(bench, now(net, view)) == []
