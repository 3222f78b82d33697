import asyncio

import pytest

from xdb.services.turns import Turns
from xdb.testing.clock import FakeClock


class Watched:
    """A clock that remembers how long one slept."""

    def __init__(self):
        self.time, self.slept = 100.0, []

    def wall(self):
        return self.time

    def monotonic(self):
        return self.time

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.time += seconds


async def test_rests_are_as_long_as_the_share_demands():
    clock = Watched()
    turns = Turns(clock, share=0.25)
    for worked in (2.0, 0.5, 0.0):
        clock.time += worked
        await turns.rest()
    assert clock.slept == pytest.approx([6.0, 1.5, 0.0])


async def test_others_get_their_turn_even_when_no_time_passed():
    turns, seen = Turns(FakeClock(0)), []

    async def other():
        seen.append(True)

    task = asyncio.create_task(other())
    await turns.rest()
    assert seen
    await task
