"""What every clock, every source of randomness and every spawner of tasks does."""

import asyncio

import pytest

from xdb.runtime.clock import SystemClock
from xdb.runtime.entropy import SystemEntropy
from xdb.runtime.spawn import TaskSpawn
from xdb.testing.clock import FakeClock, settle
from xdb.testing.entropy import SeededEntropy


@pytest.fixture(params=[SystemClock, FakeClock])
def clock(request):
    return request.param()


@pytest.fixture(params=[SystemEntropy, SeededEntropy])
def entropy(request):
    return request.param()


async def wait(clock, seconds):
    sleeping = asyncio.ensure_future(clock.sleep(seconds))
    if isinstance(clock, FakeClock):
        await clock.advance(seconds)
    await sleeping


async def test_sleeping_takes_as_long_as_it_should(clock):
    before = clock.monotonic()
    await wait(clock, 0.01)
    assert clock.monotonic() - before >= 0.0099


@pytest.mark.parametrize("seconds", [0, -1])
async def test_not_sleeping_lets_others_run(clock, seconds):
    ran = []
    other = asyncio.ensure_future(asyncio.sleep(0, ran.append(1)))
    await clock.sleep(seconds)
    assert ran
    await other


def test_wall_time_is_of_this_century(clock):
    assert 1_700_000_000 < clock.wall() < 4_100_000_000


@pytest.mark.parametrize("count", [0, 1, 32, 33, 1000])
def test_draws_have_their_length(entropy, count):
    assert len(entropy.draw(count)) == count


def test_draws_differ(entropy):
    drawn = [entropy.draw(16) for _ in range(100)]
    drawn += [entropy.stream("a").draw(16), entropy.stream("b").draw(16)]
    assert len(set(drawn)) == len(drawn)


# ---------------------------------------------------------------- the fakes


async def test_sleepers_wake_in_the_order_of_their_time():
    clock, woken = FakeClock(), []

    async def sleeper(seconds):
        await clock.sleep(seconds)
        woken.append((seconds, clock.monotonic()))

    tasks = [asyncio.ensure_future(sleeper(seconds)) for seconds in (3, 1, 2, 20)]
    await clock.advance(10)
    assert woken == [(1, 1), (2, 2), (3, 3)]
    assert clock.sleepers == 1
    await clock.advance(10)
    await asyncio.gather(*tasks)
    assert clock.monotonic() == 20


async def test_a_sleeper_may_be_cancelled_and_may_sleep_again():
    clock, turns = FakeClock(), []

    async def sleeper():
        while True:
            await clock.sleep(1)
            turns.append(clock.monotonic())

    task = asyncio.ensure_future(sleeper())
    await clock.advance(3)
    task.cancel()
    await settle()
    await clock.advance(3)
    assert (turns, clock.sleepers) == ([1, 2, 3], 0)


async def test_a_jump_moves_the_wall_clock_only():
    clock = FakeClock(wall=1000.0)
    sleeping = asyncio.ensure_future(clock.sleep(5))
    await settle()
    clock.jump(-600)
    assert (clock.wall(), clock.monotonic(), sleeping.done()) == (400.0, 0.0, False)
    await clock.advance(5)
    await sleeping


def test_a_seed_determines_every_stream():
    one, other = SeededEntropy(7), SeededEntropy(7)
    one.draw(100)
    assert one.stream("a").draw(8) == other.stream("a").draw(8)
    assert one.stream("a").draw(8) != other.stream("b").draw(8)
    assert SeededEntropy(7).draw(8) != SeededEntropy(8).draw(8)


# ---------------------------------------------------------------- tasks


async def test_tasks_end_with_their_owner():
    ended = []

    async def work(name):
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async with TaskSpawn() as spawn:
        tasks = [spawn.start(work(name), name=name) for name in ("b", "a")]
        await settle()
    assert sorted(ended) == ["a", "b"]
    assert all(task.cancelled() for task in tasks)


async def test_a_task_started_while_ending_ends_too():
    started = []

    async def late():
        await asyncio.Event().wait()

    async def work(spawn):
        try:
            await asyncio.Event().wait()
        finally:
            started.append(spawn.start(late(), name="late"))

    async with TaskSpawn() as spawn:
        spawn.start(work(spawn), name="work")
        await settle()
    assert started[0].cancelled()


async def test_a_failure_stays_with_whoever_awaits_it():
    async def fail():
        raise KeyError("mine")

    async def go_on():
        await asyncio.sleep(0)
        return 7

    async with TaskSpawn() as spawn:
        failing, going = spawn.start(fail(), name="f"), spawn.start(go_on(), name="g")
        with pytest.raises(KeyError):
            await failing
        assert await going == 7
