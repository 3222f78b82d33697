import asyncio

import pytest

from xdb.errors import InvalidRequestError, OverloadedError, TimeoutExpiredError
from xdb.rpc.limits import Gate, Limits, Memory, within
from xdb.testing.clock import settle


def test_a_gate_counts_by_caller_and_in_all():
    gate = Gate("calls", 3, 2)
    with gate.enter(b"a"), gate.enter(b"a"):
        with pytest.raises(OverloadedError, match="2 calls of yours"), gate.enter(b"a"):
            pass
        with (
            gate.enter(b"b"),
            pytest.raises(OverloadedError, match="3 calls are under way"),
            gate.enter(b"c"),
        ):
            pass
        with gate.enter(b"c"):
            pass
    assert not gate._inside


def test_a_gate_opens_again_after_a_failure():
    gate = Gate("calls", 1, 1)
    with pytest.raises(ZeroDivisionError), gate.enter(b"a"):
        raise ZeroDivisionError
    with gate.enter(b"a"):
        pass


async def hold(memory, who, size, leave):
    async with memory.hold(who, size):
        await leave.wait()


async def test_who_finds_no_memory_waits_for_it():
    memory, leave = Memory(100, 100, 60.0), asyncio.Event()
    first = asyncio.ensure_future(hold(memory, b"a", 80, leave))
    await settle()
    second = asyncio.ensure_future(hold(memory, b"b", 30, asyncio.Event()))
    await settle()
    assert memory._sum == 80
    leave.set()
    await first
    await settle()
    assert memory._sum == 30
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert (memory._sum, dict(memory._held)) == (0, {})


async def test_one_caller_leaves_room_for_others():
    memory, leave = Memory(100, 60, 60.0), asyncio.Event()
    first = [asyncio.ensure_future(hold(memory, b"a", 30, leave)) for _ in range(3)]
    await settle()
    async with memory.hold(b"b", 40):
        assert memory._sum == 100
    leave.set()
    await asyncio.gather(*first)


async def test_waiting_ends():
    memory = Memory(100, 100, 0.01)
    async with memory.hold(b"a", 100):
        with pytest.raises(OverloadedError, match=r"no memory for 1 bytes .* within 0.01 s"):
            async with memory.hold(b"b", 1):
                pass


async def test_what_never_fits_is_refused_at_once():
    with pytest.raises(InvalidRequestError, match="100 are the most"):
        async with Memory(1000, 100, 60.0).hold(b"a", 101):
            pass


async def test_a_deadline_says_what_did_not_happen():
    with pytest.raises(TimeoutExpiredError, match=r"nothing came within 0\.01 s"):
        async with within(0.01, "nothing came"):
            await asyncio.Event().wait()


async def test_other_timeouts_stay_what_they_are():
    with pytest.raises(TimeoutError, match="mine"):
        async with within(60.0, "nothing came"):
            raise TimeoutError("mine")
    async with within(None, "no limit"):
        pass


def test_time_grows_with_size():
    limits = Limits(longest=10.0, pace=100)
    assert limits.for_bytes(0) == 10.0
    assert limits.for_bytes(1000) == 20.0
