"""Bytes in flight."""

import asyncio

import pytest

from xdb.services.budget import Budget
from xdb.testing.clock import settle


async def waiting(budget, size):
    task = asyncio.ensure_future(budget.take(size))
    await settle(3)
    return task


async def test_what_fits_is_taken_at_once():
    budget = Budget(10)
    await budget.take(4)
    await budget.take(6)
    assert budget.used == 10
    assert not budget.has(1)
    budget.give(4)
    assert budget.has(4)
    assert not budget.has(5)


async def test_who_comes_first_is_served_first():
    budget = Budget(10)
    await budget.take(8)
    large, small = await waiting(budget, 9), await waiting(budget, 1)
    assert not large.done()
    assert not small.done()
    budget.give(8)
    await asyncio.gather(large, small)
    assert budget.used == 10


async def test_what_is_larger_than_all_goes_alone():
    budget = Budget(10)
    await budget.take(1)
    huge = await waiting(budget, 100)
    budget.give(1)
    await huge
    small = await waiting(budget, 1)
    assert not small.done()
    budget.give(100)
    await small
    assert budget.used == 1


async def test_who_gives_up_holds_up_nobody():
    budget = Budget(10)
    await budget.take(5)
    large, small = await waiting(budget, 9), await waiting(budget, 5)
    large.cancel()
    with pytest.raises(asyncio.CancelledError):
        await large
    await small
    budget.give(5)
    budget.give(5)
    assert budget.used == 0


async def test_who_gives_up_when_it_is_served_gives_back():
    budget = Budget(10)
    await budget.take(10)
    task = await waiting(budget, 10)
    budget.give(10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert budget.used == 0
