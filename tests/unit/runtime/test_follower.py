import asyncio

import pytest
import structlog

from xdb.errors import IntegrityError, UnavailableError
from xdb.index.index import Index
from xdb.ports.blockchain import BlockEvents, Final, Head, Rollback
from xdb.runtime.follower import LONGEST_PAUSE, Follower
from xdb.store.kv_memory import MemoryKeyValue
from xdb.testing.clock import FakeClock, settle
from xdb.testing.keys import NamedKey
from xdb.testing.registry import World, node_call


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
        self.height = self.final = 0
        self.fails_at = fails_at

    @property
    def head(self):
        return Head(self.height, self.height, self.final)

    async def apply(self, item):
        match item:
            case BlockEvents():
                if item.height == self.fails_at:
                    raise IntegrityError("does not follow")
                self.height = item.height
            case Rollback():
                self.height = item.height
            case Final():
                self.final = item.height
        self.items.append(item)


def blocks(*heights):
    """Blocks that are final."""
    return [*(BlockEvents(height, height, ()) for height in heights), Final(heights[-1])]


def follower(source, sink, clock):
    return Follower("index", source, sink, clock, structlog.get_logger())


LOST = UnavailableError("the line is dead")


async def test_it_pumps_and_goes_on_from_where_it_was():
    source, sink, clock = (
        Source([*blocks(1, 2), LOST], [*blocks(3), None]),
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
    assert sink.items[3:] == blocks(3)
    assert made.report.trouble == ""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert source.closed == 2


async def test_after_a_break_what_was_not_final_is_read_again():
    unsure = [BlockEvents(height, 1, ()) for height in (3, 4)]
    source, sink, clock = (
        Source([*blocks(1, 2), *unsure, LOST], [LOST], [*blocks(3), None]),
        Sink(),
        FakeClock(),
    )
    task = asyncio.create_task(follower(source, sink, clock).run())
    await settle()
    await clock.advance(0.2)
    assert sink.height == 4  # nobody has said anything else yet
    await clock.advance(0.4)
    assert source.cursors == [0, 2, 2]
    assert sink.items == [*blocks(1, 2), *unsure, Rollback(2), *blocks(3)]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class Moody:
    """A chain's history that breaks off when told to."""

    def __init__(self, chain):
        self.chain = chain
        self.broken = asyncio.Event()

    async def follow(self, after):
        items = self.chain.follow(after)
        lost = asyncio.ensure_future(self.broken.wait())
        while True:
            item = asyncio.ensure_future(anext(items))
            await asyncio.wait((item, lost), return_when=asyncio.FIRST_COMPLETED)
            if not item.done():
                item.cancel()
                await asyncio.wait((item,))
                await items.aclose()
                self.broken.clear()
                raise LOST
            yield item.result()


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_a_chain_that_changed_while_nobody_listened_is_seen_as_it_is(is_restarted):
    world, kv, clock = World(lag=4), MemoryKeyValue(), FakeClock()
    source = Moody(world.chain)
    index = Index(kv, world.parameters)
    task = asyncio.create_task(follower(source, index, clock).run())
    node = NamedKey("another")
    world.chain.call(node.address, node_call(node))
    height = world.chain.head.height
    await settle()
    assert index.node(node.node) is not None
    source.broken.set()
    await settle()
    if is_restarted:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        index = Index(kv, world.parameters)
    world.chain.roll_back(height - 1)
    for _ in range(2):
        world.chain.tick()  # other blocks where the node's was
    if is_restarted:
        task = asyncio.create_task(follower(source, index, clock).run())
    await clock.advance(0.2)
    assert index.head == world.chain.head
    assert index.node(node.node) is None
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


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
