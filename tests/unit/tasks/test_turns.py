"""Cycles that people ask for, and those of the periodic tasks."""

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from xdb.core.migration import Plan
from xdb.services.auditing import Finding
from xdb.testing.care import Care
from xdb.testing.living import living


@dataclass
class Busy:
    """Work that takes some turns of the loop, and counts how many do it at once."""

    now: int = 0
    most: int = 0
    runs: int = 0
    done: list[object] = field(default_factory=list)

    async def work(self):
        self.now += 1
        self.most = max(self.most, self.now)
        for _ in range(10):
            await asyncio.sleep(0)
        self.now -= 1
        self.runs += 1

    async def plan(self, _put_off=()):
        await self.work()
        return Plan((), ())

    async def doubtful(self):
        return {}

    async def probe(self, node, doubtful):
        assert not doubtful
        await self.work()
        return Finding(node, answered=True)

    async def note(self, finding):
        self.done.append(finding)

    async def tidy(self, findings):
        assert findings == self.done[-1:]


@pytest.fixture
async def care():
    async with living() as world:
        yield Care(world.bench)


async def test_two_cycles_of_repair_never_run_at_the_same_time(care):
    busy = Busy()
    migrator = replace(care.migrator, planner=busy)
    await asyncio.gather(migrator.run_once(), migrator.run_once())
    assert (busy.runs, busy.most) == (2, 1)


async def test_two_rounds_of_probes_never_run_at_the_same_time(care):
    busy = Busy()
    busy.observations, busy.clock = care.bench.observations, care.bench.network.clock
    auditor = replace(care.auditor, auditing=busy)
    node = next(iter(care.bench.network.members))
    await asyncio.gather(auditor.round(node), auditor.round(node), auditor.round(node))
    assert (busy.runs, busy.most) == (3, 1)


async def test_a_cycle_that_is_given_up_lets_others_go_on(care):
    busy = Busy()
    migrator = replace(care.migrator, planner=busy)
    first = asyncio.ensure_future(migrator.run_once())
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await migrator.run_once()
    assert busy.runs == 1
