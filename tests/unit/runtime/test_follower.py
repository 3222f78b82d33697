import asyncio

import pytest
import structlog

from xdb.errors import IntegrityError, UnavailableError
from xdb.ports.blockchain import BlockEvents, Final, Head
from xdb.runtime.follower import LONGEST_PAUSE, Follower
from xdb.testing.clock import FakeClock, settle


class Source:
    """Each connection plays one script: items, and an error or nothing at its end."""

    def __init__(self, *scripts):
        self._scripts = list(scripts)
        self.cursors = []
        self.closed = 0

    async def follow(self, after):
        self.cursors.append(after)
        try:
            for item in self._scripts.pop(0) if self._scripts else [None]:
                if item is None:
                    await asyncio.Event().wait()
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            self.closed += 1


class Sink:
    def __init__(self, fails_at=None):
        self.items = []
        self.height = 0
        self.fails_at = fails_at

    @property
    def head(self):
        return Head(self.height, self.height, 0)

    async def apply(self, item):
        if isinstance(item, BlockEvents):
            if item.height == self.fails_at:
                raise IntegrityError("does not follow")
            self.height = item.height
        self.items.append(item)


def blocks(*heights):
    return [BlockEvents(height, height, ()) for height in heights]


def follower(source, sink, clock):
    return Follower("index", source, sink, clock, structlog.get_logger())


LOST = UnavailableError("the line is dead")


async def test_it_pumps_and_goes_on_from_where_it_was():
    source, sink, clock = (
        Source([*blocks(1, 2), LOST], [Final(2), *blocks(3), None]),
        Sink(),
        FakeClock(),
    )
    made = follower(source, sink, clock)
    task = asyncio.create_task(made.run())
    await settle()
    assert sink.height == 2
    assert (made.report.breaks, made.report.trouble) == (1, "the line is dead")
    await clock.advance(0.2)
    assert source.cursors == [0, 2]
    assert sink.items[2:] == [Final(2), *blocks(3)]
    assert made.report.trouble == ""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert source.closed == 2


class RecordingClock(FakeClock):
    """Sleeps no time at all, and remembers how much it was to be."""

    def __init__(self):
        super().__init__()
        self.slept = []

    async def sleep(self, seconds):
        self.slept.append(seconds)
        await super().sleep(0)


async def test_pauses_grow_while_nothing_comes_and_start_again_when_something_did():
    source = Source(*[[LOST]] * 10, [*blocks(1), LOST], [LOST], [None])
    clock = RecordingClock()
    task = asyncio.create_task(follower(source, Sink(), clock).run())
    await settle()
    assert clock.slept[:4] == [0.2, 0.4, 0.8, 1.6]
    assert clock.slept[8:] == [LONGEST_PAUSE, LONGEST_PAUSE, 0.2, 0.4]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_history_that_ends_is_taken_up_again():
    source, sink, clock = Source(blocks(1), [None]), Sink(), FakeClock()
    task = asyncio.create_task(follower(source, sink, clock).run())
    await clock.advance(1)
    assert source.cursors == [0, 1]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("script", "fails_at"), [([IntegrityError("two histories")], None), (blocks(1, 2), 2)]
)
async def test_a_contradiction_is_the_end_and_is_reported(script, fails_at):
    made = follower(Source(script), Sink(fails_at), FakeClock())
    with pytest.raises(IntegrityError) as caught:
        await made.run()
    assert made.report.failed == str(caught.value)


async def test_a_bug_is_not_hidden():
    made = follower(Source([ZeroDivisionError()]), Sink(), FakeClock())
    with pytest.raises(ZeroDivisionError):
        await made.run()
