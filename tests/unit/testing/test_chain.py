import asyncio

import pytest

from xdb.errors import RefusedCallError
from xdb.model.calls import Heartbeat, Resign
from xdb.model.events import HeartbeatSeen, NodeResigned
from xdb.model.registry import Parameters
from xdb.ports.blockchain import BlockEvents, Final, Head, Rollback
from xdb.testing.chain import MemoryChain, StillClock
from xdb.testing.keys import NamedKey
from xdb.testing.registry import START, node_call


class Counter:
    """Draws that differ."""

    def __init__(self):
        self.count = 0

    def draw(self, count):
        self.count += 1
        return self.count.to_bytes(count, "big")

    def stream(self, purpose):  # noqa: ARG002
        return self


KEY = NamedKey("node")


def chain_with(lag=0):
    return MemoryChain(Parameters(start=START), StillClock(START), lag=lag)


async def take(items, count):
    found = []
    async with asyncio.timeout(5):
        async for item in items:
            found.append(item)
            if len(found) == count:
                break
    return found


async def test_a_call_is_included_in_a_block_of_its_own():
    chain = chain_with()
    registry = chain.registry(KEY, Counter())
    assert registry.deployment == chain.deployment
    assert registry.parameters == chain.parameters
    first = await registry.submit(node_call(KEY))
    second = await registry.submit(Heartbeat(KEY.node))
    assert (first.height, second.height) == (1, 2)
    assert first.time == START
    assert first.transaction != second.transaction
    assert chain.head == Head(2, START, 2)


async def test_a_refused_call_makes_no_block():
    chain = chain_with()
    with pytest.raises(RefusedCallError):
        await chain.registry(KEY, Counter()).submit(Resign())
    assert chain.head.height == 0


async def test_a_follower_gets_history_and_then_news():
    chain = chain_with()
    registry = chain.registry(KEY, Counter())
    await registry.submit(node_call(KEY))
    await registry.submit(Heartbeat(KEY.node))
    items = chain.events().follow(1)
    assert await take(items, 2) == [BlockEvents(2, START, (HeartbeatSeen(KEY.node),)), Final(2)]


async def test_a_waiting_follower_wakes_up():
    chain = chain_with()
    waiting = asyncio.ensure_future(take(chain.events().follow(0), 2))
    await asyncio.wait([waiting], timeout=0)
    chain.advance(7)
    assert await waiting == [BlockEvents(1, START + 7, ()), Final(1)]


async def test_blocks_can_be_undone_until_they_are_final():
    chain = chain_with(lag=2)
    registry = chain.registry(KEY, Counter())
    await registry.submit(node_call(KEY))
    before = dict(chain.state.values)
    items = chain.events().follow(0)
    assert (await take(items, 1))[0].height == 1
    await registry.submit(Resign())
    chain.roll_back(1)
    assert chain.state.values == before
    await registry.submit(Resign())
    chain.tick()
    with pytest.raises(ValueError, match="final"):
        chain.roll_back(0)
    follower = await take(chain.events().follow(0), 4)
    assert [getattr(item, "height", None) for item in follower] == [1, 2, 3, 1]
    assert follower[-1] == Final(1)


async def test_a_follower_sees_a_rollback_and_what_came_instead():
    chain = chain_with(lag=9)
    chain.call(KEY.address, node_call(KEY))
    items = chain.events().follow(0)
    seen = [await anext(items)]
    chain.call(KEY.address, Resign())
    seen.append(await anext(items))
    chain.roll_back(1)
    chain.tick()
    seen += [await anext(items), await anext(items)]
    assert isinstance(seen[1].events[0], NodeResigned)
    assert seen[2:] == [Rollback(1), BlockEvents(2, START, ())]


async def test_a_follower_that_is_ahead_is_called_back():
    chain = chain_with()
    chain.tick()
    assert await anext(chain.events().follow(5)) == Rollback(1)


def test_time_never_goes_back():
    clock = StillClock(START)
    chain = MemoryChain(Parameters(start=START), clock)
    chain.advance(10)
    chain.advance(-5)
    assert chain.head.time == START + 10
