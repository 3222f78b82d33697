import asyncio
import gc

import pytest

from xdb.testing.simulation import loop as loop_module
from xdb.testing.simulation.clock import START, SimulatedClock
from xdb.testing.simulation.loop import DeadlockError, OutsideError, SimulationError
from xdb.testing.simulation.run import SCHEDULE, run
from xdb.testing.simulation.tape import Tape

YEAR = 365 * 86_400.0


async def order(_simulation):
    """In which order ten tasks run that are all ready."""
    found = []

    async def work(number):
        await asyncio.sleep(0)
        found.append(number)

    await asyncio.gather(*(work(number) for number in range(10)))
    return found


# ---------------------------------------------------------------- time


def test_years_pass_at_once_and_exactly():
    async def main(simulation):
        times = []
        for seconds in (0.1, YEAR, 0.1, 1e-5, 30 * YEAR, 0.25):
            before = simulation.loop.time()
            await asyncio.sleep(seconds)
            times.append(simulation.loop.time() - before == pytest.approx(seconds, abs=1e-6))
        return times

    outcome = run(1, main)
    assert all(outcome.result)
    assert outcome.seconds == pytest.approx(31 * YEAR + 0.45001)
    assert outcome.turns < 100


def test_sleepers_wake_in_the_order_of_their_time_and_timeouts_work():
    async def main(_simulation):
        woken = []

        async def sleeper(seconds):
            await asyncio.sleep(seconds)
            woken.append(seconds)

        await asyncio.gather(*(sleeper(seconds) for seconds in (3, 1, 2.5, 2)))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.sleep(6)
        return woken

    for seed in range(10):
        outcome = run(seed, main)
        assert (outcome.result, outcome.seconds) == ([1, 2, 2.5, 3], 8)


def test_a_node_has_clocks_of_its_own():
    async def main(simulation):
        clock = SimulatedClock(simulation.loop, offset=-30, drift=0.1)
        await clock.sleep(110)
        readings = [simulation.loop.time(), clock.monotonic(), clock.wall() - START]
        clock.jump(1000)
        return [*readings, clock.monotonic(), clock.wall() - START]

    assert run(1, main).result == pytest.approx([100, 110, 80, 110, 1080])


def test_waiting_for_a_time_takes_time_however_little_is_missing():
    async def main(simulation):
        await asyncio.sleep(YEAR)
        clock = SimulatedClock(simulation.loop, drift=1e-4 / 3)
        end = clock.monotonic() + 1e-12
        while clock.monotonic() <= end:
            await clock.sleep(1e-12)
        return True

    assert run(1, main).turns < 20


# ---------------------------------------------------------------- order


def test_seeds_choose_the_order_and_choose_it_again():
    found = {seed: run(seed, order) for seed in range(20)}
    assert len({tuple(outcome.result) for outcome in found.values()}) == 20
    assert len({outcome.trace for outcome in found.values()}) == 20
    for seed, outcome in found.items():
        assert run(seed, order) == outcome


def test_timers_of_the_same_time_are_put_in_another_order_too():
    async def main(_simulation):
        found = []
        for number in range(10):
            asyncio.get_running_loop().call_at(1, found.append, number)
        await asyncio.sleep(2)
        return tuple(found)

    assert len({run(seed, main).result for seed in range(20)}) == 20


def test_zeros_leave_the_order_as_it_is():
    assert run(1, order, tape=Tape(1, {SCHEDULE: b""})).result == list(range(10))


def test_more_than_a_byte_can_count_are_put_in_another_order():
    async def main(_simulation):
        found = []
        for number in range(700):
            asyncio.get_running_loop().call_soon(found.append, number)
        await asyncio.sleep(1)
        return found

    found = run(1, main).result
    assert sorted(found) == list(range(700))
    assert max(abs(at - number) for at, number in enumerate(found)) > 300


def test_a_tape_replays_a_run():
    tape = Tape(5)
    first = run(5, order, tape=tape)
    assert run(6, order, tape=Tape(6, tape.recorded())) == first


# ---------------------------------------------------------------- what goes wrong


def test_a_deadlock_is_found_and_says_who_waits_where():
    async def main(_simulation):
        gate = asyncio.Event()

        async def waiting_for_good():
            await gate.wait()

        await asyncio.create_task(waiting_for_good(), name="the one that waits")

    with pytest.raises(DeadlockError, match="nothing is scheduled") as caught:
        run(1, main)
    assert "the one that waits:" in str(caught.value)
    assert "waiting_for_good" in str(caught.value)
    assert "Event.wait" in str(caught.value)
    assert "seed 1, 0.0 s, trace " in caught.value.__notes__[0]


def test_going_round_in_circles_is_found(monkeypatch):
    monkeypatch.setattr(loop_module, "STANDSTILL", 1000)

    async def main(_simulation):
        await asyncio.sleep(5)
        while True:  # noqa: ASYNC110  # that is the mistake
            await asyncio.sleep(0)

    with pytest.raises(DeadlockError, match=r"stands still at 5.0 s\ntask 1:\n.*main"):
        run(1, main)


def test_a_task_left_behind_is_named():
    async def main(_simulation):
        asyncio.create_task(asyncio.sleep(9), name="forgotten")  # noqa: RUF006  # that is the mistake

    with pytest.raises(SimulationError, match="1 tasks were left behind\nforgotten:"):
        run(1, main)


def test_an_error_that_nobody_asks_for_is_told():
    async def main(_simulation):
        async def failing():
            raise KeyError("unheard")

        asyncio.create_task(failing())  # noqa: RUF006  # that is the mistake
        await asyncio.sleep(1)

    with pytest.raises(SimulationError, match="unheard"):
        run(1, main)


def test_what_fails_carries_seed_and_records():
    async def main(simulation):
        await asyncio.sleep(2)
        simulation.record("n1", "something odd")
        raise KeyError("odd")

    with pytest.raises(KeyError) as caught:
        run("77", main)
    assert caught.value.__notes__[0].startswith("seed 77, 2.0 s, trace ")
    assert caught.value.__notes__[0].endswith("2.000000 n1 something odd")


def test_nothing_leaves_the_loop():
    async def main(_simulation):
        running = asyncio.get_running_loop()
        with pytest.raises(OutsideError, match="wants a thread"):
            await asyncio.to_thread(print)
        with pytest.raises(OutsideError, match="another thread"):
            running.call_soon_threadsafe(print)
        with pytest.raises(NotImplementedError):
            await asyncio.open_connection("127.0.0.1", 1)

    run(1, main)


def test_generators_that_were_left_are_closed():
    closed = []

    async def numbers(name):
        try:
            while True:
                await asyncio.sleep(1)
                yield 1
        finally:
            await asyncio.sleep(1)
            closed.append(name)

    kept = []

    async def main(_simulation):
        async for _ in numbers("dropped"):
            break
        await asyncio.sleep(5)
        kept.append(numbers("kept"))
        await anext(kept[0])

    run(1, main)
    assert closed == ["dropped", "kept"]


def test_the_collector_is_as_it_was():
    run(1, order)
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_sets_of_tasks_and_futures_have_the_same_order_every_time():
    kept = []

    async def main(_simulation):
        running = asyncio.get_running_loop()
        waiting = {running.create_future() for _ in range(30)}
        waiting |= {asyncio.create_task(asyncio.sleep(1)) for _ in range(30)}
        kept.append(list(waiting))  # so that the next ones have other addresses
        await asyncio.sleep(2)
        return [each.number for each in waiting]

    assert [run(1, main).result for _ in range(5)] == [run(1, main).result] * 5
