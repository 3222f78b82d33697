import asyncio

import pytest

from xdb.errors import UnavailableError
from xdb.store.concurrency import for_each, to_the_end
from xdb.testing.clock import settle


async def test_a_cancelled_caller_waits_for_the_end():
    gate, steps = asyncio.Event(), []

    async def work():
        steps.append("begun")
        await gate.wait()
        steps.append("ended")

    task = asyncio.ensure_future(to_the_end(work()))
    await settle(5)
    task.cancel()
    await settle(5)
    task.cancel()
    await settle(5)
    assert not task.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert steps == ["begun", "ended"]


async def test_results_and_errors_come_through():
    async def work(error):
        if error:
            raise error
        return 7

    assert await to_the_end(work(None)) == 7
    with pytest.raises(UnavailableError):
        await to_the_end(work(UnavailableError("no")))


async def test_so_many_at_a_time():
    running, most, done = 0, 0, []

    async def work(item):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        done.append(item)

    await for_each(range(20), work, side_by_side=3)
    assert (sorted(done), most) == (list(range(20)), 3)


async def test_the_first_failure_ends_all():
    done = []

    async def work(item):
        await asyncio.sleep(0)
        if item == 4:
            raise UnavailableError(f"not {item}")
        done.append(item)

    with pytest.raises(UnavailableError, match="not 4"):
        await for_each(range(100), work, side_by_side=2)
    assert len(done) < 10
