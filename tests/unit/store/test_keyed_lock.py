import asyncio

import pytest

from xdb.store.keyed_lock import KeyedLock
from xdb.testing.clock import settle


@pytest.fixture
def lock():
    return KeyedLock()


class Visitor:
    """Comes in, stays until let out."""

    def __init__(self, enter):
        self.inside, self.out = False, asyncio.Event()
        self.task = asyncio.ensure_future(self._visit(enter))

    async def _visit(self, enter):
        async with enter:
            self.inside = True
            await self.out.wait()
        self.inside = False


async def visitors(*doors):
    made = [Visitor(door) for door in doors]
    await settle(5)
    return made


async def leave(visitor):
    visitor.out.set()
    await visitor.task
    await settle(5)


async def test_one_alone_or_several_together(lock):
    first, second, third = await visitors(lock.together("a"), lock.together("a"), lock.alone("a"))
    assert (first.inside, second.inside, third.inside) == (True, True, False)
    await leave(first)
    assert not third.inside
    await leave(second)
    assert third.inside
    (fourth,) = await visitors(lock.alone("a"))
    assert not fourth.inside
    await leave(third)
    assert fourth.inside
    await leave(fourth)
    assert lock._doors == {}


async def test_nobody_overtakes_who_waits_to_be_alone(lock):
    first, second, third = await visitors(lock.together("a"), lock.alone("a"), lock.together("a"))
    assert not third.inside
    await leave(first)
    assert (second.inside, third.inside) == (True, False)
    await leave(second)
    assert third.inside
    await leave(third)


async def test_names_do_not_meet(lock):
    first, second = await visitors(lock.alone("a"), lock.alone("b"))
    assert first.inside
    assert second.inside
    await leave(first)
    await leave(second)


async def test_who_gives_up_lets_others_in(lock):
    first, second, third = await visitors(lock.together("a"), lock.alone("a"), lock.together("a"))
    second.task.cancel()
    await settle(5)
    assert third.inside
    await leave(first)
    await leave(third)
    assert lock._doors == {}


async def test_who_is_let_in_and_cancelled_at_once_leaves(lock):
    first, second, third = await visitors(lock.alone("a"), lock.alone("a"), lock.alone("a"))
    first.out.set()
    await first.task
    second.task.cancel()
    await settle(5)
    assert third.inside
    await leave(third)
    assert lock._doors == {}
