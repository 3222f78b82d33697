import asyncio
import gc

import pytest

from xdb.client.loop import Loop


@pytest.fixture
def loop():
    made = Loop()
    yield made
    made.close()


async def numbers(closed):
    try:
        for number in range(3):
            yield number
    finally:
        closed.append(True)


def test_items_come_one_by_one(loop):
    closed = []
    assert list(loop.iterate(numbers(closed))) == [0, 1, 2]
    assert closed == [True]


def test_a_list_that_is_left_early_is_closed(loop):
    closed = []
    items = loop.iterate(numbers(closed))
    assert next(items) == 0
    items.close()
    assert closed == [True]


def test_a_list_dropped_in_the_loops_own_thread_holds_nothing_up(loop):
    closed = []
    kept = [loop.iterate(numbers(closed))]
    next(kept[0])

    async def collect():
        kept.clear()
        gc.collect()
        await asyncio.sleep(0)

    loop.run(asyncio.wait_for(collect(), 10))
    assert closed == [True]


def test_a_list_dropped_after_the_end_of_the_loop_is_no_trouble():
    loop = Loop()
    items = loop.iterate(numbers([]))
    next(items)
    loop.close()
    items.close()
