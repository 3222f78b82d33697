import asyncio

import pytest

from xdb.errors import IntegrityError, UnavailableError
from xdb.node.supervision import LONGEST_PAUSE, Supervised
from xdb.runtime.logging import logger
from xdb.testing.clock import FakeClock


class Work:
    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.runs = 0

    async def __call__(self):
        self.runs += 1
        if not self.outcomes:
            await asyncio.Event().wait()
        outcome = self.outcomes.pop(0)
        if outcome:
            raise outcome


@pytest.fixture
def clock():
    return FakeClock()


async def test_work_that_ends_is_taken_up_again(clock):
    work = Work(UnavailableError("gone"), None, ZeroDivisionError("a bug"))
    running = asyncio.ensure_future(Supervised("x", work, clock, logger("test")).run())
    await clock.advance(3 * LONGEST_PAUSE)
    assert work.runs == 4
    running.cancel()


async def test_contradiction_is_the_end(clock):
    work = Work(IntegrityError("two histories"))
    await Supervised("x", work, clock, logger("test")).run()
    assert work.runs == 1


async def test_pauses_grow(clock):
    work = Work(*[UnavailableError("gone")] * 100)
    running = asyncio.ensure_future(Supervised("x", work, clock, logger("test")).run())
    await clock.advance(10 * LONGEST_PAUSE)
    assert 10 < work.runs < 20
    running.cancel()
