"""Streams become slices."""

import asyncio
from contextlib import aclosing

import pytest

from xdb.services.upload.source import SMALL, PlainSlice, cut_stream

BODY = 100


async def stream(parts, taken=None):
    for part in parts:
        if taken is not None:
            taken.append(len(part))
        yield part


async def slices(parts, body=BODY, desks=None):
    found = cut_stream(stream(parts), body, desks or asyncio.Semaphore(1))
    return [(each.index, bytes(each.data), each.last) async for each in found]


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 199, 200, 201, 1000])
@pytest.mark.parametrize("step", [1, 7, 100, 5000])
async def test_slices_are_full_but_the_last(size, step):
    data = bytes(number % 251 for number in range(size))
    parts = [data[start : start + step] for start in range(0, size, step)]
    found = await slices([b"", *parts, b""])
    assert b"".join(part for _, part, _ in found) == data
    assert [index for index, _, _ in found] == list(range(max(1, -(-size // BODY))))
    assert all(len(part) == BODY for _, part, _ in found[:-1])
    assert [last for _, _, last in found] == [False] * (len(found) - 1) + [True]


async def test_a_full_slice_goes_with_the_first_byte_of_the_next():
    taken = []
    parts = [b"x" * BODY, b"y", b"z" * BODY]
    async with aclosing(cut_stream(stream(parts, taken), BODY, asyncio.Semaphore(1))) as found:
        assert await anext(found) == PlainSlice(0, bytearray(b"x" * BODY), last=False)
    assert taken == [BODY, 1]


async def test_large_slices_take_a_desk_and_small_ones_do_not():
    desks = asyncio.Semaphore(0)
    assert len(await slices([b"x" * 1000], desks=desks)) == 10
    large = asyncio.ensure_future(slices([b"x" * (SMALL + 1)], 2 * SMALL, desks))
    done, _ = await asyncio.wait({large}, timeout=0)
    assert not done
    desks.release()
    assert len(await large) == 1
    assert desks._value == 1


async def test_the_desk_is_free_when_the_reader_goes():
    desks = asyncio.Semaphore(1)
    parts = [b"x" * (2 * SMALL), b"y"]
    async with aclosing(cut_stream(stream(parts), 2 * SMALL, desks)) as found:
        await anext(found)
        assert desks._value == 0
    assert desks._value == 1
