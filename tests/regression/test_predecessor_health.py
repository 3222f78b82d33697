"""Mistakes of PaddleDTX XuperDB's health that must not come back."""

import time

import pytest

from xdb.model.health import Colour, Silence
from xdb.services.health.look import Look
from xdb.testing.living import EPOCH, living
from xdb.testing.observed import Observed


@pytest.fixture
async def world():
    async with living() as made:
        await made.bench.upload(b"x" * 100_000)
        await made.epochs(24)  # a whole window in which all is well
        yield made


def colour(world, node, observed=None):
    index = world.net.index
    return Look(index, observed or Observed(), index.head.time).node(node).health.colour


async def test_a_dead_node_is_red_within_hours(world):
    """A dead node turned red after four to seven days."""
    node = next(iter(world.bench.catalog.index.files(world.net.owner.address).items))
    dead, alive = node.record.holders[:2]
    world.net.members[dead].up = False
    hours = {}
    for hour in range(1, 13):
        await world.epochs()
        hours.setdefault(colour(world, dead), hour)
    assert hours[Colour.YELLOW] <= 5
    assert hours[Colour.RED] <= 11
    assert colour(world, alive) is Colour.GREEN


async def test_its_files_are_repaired_long_before_it_is_red(world):
    (view,) = world.net.index.files(world.net.owner.address).items
    dead, index = view.record.holders[0], world.net.index
    world.net.members[dead].up = False
    start = index.head.time
    await world.epochs(2)
    silent = Observed(silences={dead: Silence(start, index.head.time)})
    look = Look(index, silent, index.head.time)
    assert index.head.time - start == 2 * EPOCH
    assert look.colour(view) is Colour.YELLOW
    assert [slot.is_good for slot in look.file(view).slots] == [False, True, True]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/Los_Angeles"])
async def test_no_time_zone_changes_a_colour(world, monkeypatch, zone):
    """Heartbeats broke where the clock was not in the zone that the code had in mind."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        await world.epochs(2)
        assert {colour(world, node) for node in world.net.members} == {Colour.GREEN}
    finally:
        monkeypatch.undo()
        time.tzset()
