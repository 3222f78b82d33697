import asyncio

import pytest

from xdb.errors import UnavailableError
from xdb.runtime.logging import logger
from xdb.runtime.periodic import FIRST_PAUSE, JITTER, Periodic, shown
from xdb.testing.clock import FakeClock
from xdb.testing.entropy import SeededEntropy


class Work:
    """Notes when it ran; raises what it was told to."""

    def __init__(self, clock):
        self.clock, self.times, self.errors, self.takes = clock, [], [], 0.0

    async def run_once(self):
        self.times.append(self.clock.monotonic())
        if self.takes:
            await self.clock.sleep(self.takes)
        if self.errors:
            raise self.errors.pop(0)
        return f"cycle {len(self.times)}"


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def work(clock):
    return Work(clock)


@pytest.fixture
async def periodic(clock, work):
    made = Periodic("work", work.run_once, 100.0, clock, SeededEntropy(), logger("test"))
    task = asyncio.ensure_future(made.run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_it_keeps_its_pace(clock, work, periodic):
    await clock.advance(1000)
    assert 9 <= len(work.times) <= 11
    assert work.times[0] < 100
    gaps = [later - earlier for earlier, later in zip(work.times, work.times[1:], strict=False)]
    assert all(100 * (1 - 3 * JITTER) <= gap <= 100 * (1 + 3 * JITTER) for gap in gaps)
    assert periodic.status.last_report == f"cycle {len(work.times)}"
    assert periodic.status.next_run > clock.wall()


@pytest.mark.usefixtures("periodic")
async def test_a_slow_cycle_does_not_shift_the_others_and_is_not_made_up_for(clock, work):
    work.takes = 250.0
    await clock.advance(2600)
    assert 9 <= len(work.times) <= 11


async def test_an_ordinary_failure_ends_only_its_cycle(clock, work, periodic):
    work.errors = [UnavailableError("nobody there: try later")] * 2
    await clock.advance(200)
    assert (periodic.status.failures, periodic.status.degraded) == (2, False)
    assert periodic.status.last_error == "nobody there: try later"
    await clock.advance(100)
    assert (periodic.status.failures, periodic.status.last_error) == (0, "")


async def test_a_bug_degrades_the_task_which_goes_on_after_a_pause(clock, work, periodic):
    work.errors = [KeyError("bug")]
    await clock.advance(100)
    (first,) = work.times[:1]
    await clock.advance(2 * FIRST_PAUSE)
    assert work.times[1] == first + FIRST_PAUSE
    assert not periodic.status.degraded
    work.errors = [KeyError("bug")] * 3
    before = len(work.times)
    await clock.advance(120)
    assert len(work.times) > before + 2


async def test_a_bug_shows_in_the_status(work, clock):
    made = Periodic("work", work.run_once, 100.0, clock, SeededEntropy(), logger("test"))
    work.errors = [KeyError("bug")]
    assert await made.cycle() is False
    assert made.status.degraded
    assert made.status.last_error.startswith("KeyError, a bug: ")


async def test_others_are_told_no_more_of_a_bug_than_its_kind(work, clock):
    made = Periodic("work", work.run_once, 0.2, clock, SeededEntropy(), logger("test"))
    work.errors = [KeyError("a secret")]
    await made.cycle()
    (told,) = shown((made,))
    assert "a secret" not in repr(told)
    assert (told.name, told.every, told.runs, told.failures) == ("work", 1, 1, 1)
    assert told.last_run == int(clock.wall())
    assert (told.next_run, told.degraded) == (0, True)
