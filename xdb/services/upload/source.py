"""A stream of bytes of any sizes becomes slices."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass

from xdb.model.buffer import Buffer

SMALL = 64 << 10
"""Slices up to this size cost so little that nobody waits for them."""


@dataclass(frozen=True, slots=True)
class PlainSlice:
    """One slice of plaintext; `last` on the last one only."""

    index: int
    data: Buffer
    last: bool


async def cut_stream(
    data: AsyncIterable[Buffer], body: int, desks: asyncio.Semaphore
) -> AsyncGenerator[PlainSlice, None]:
    """Slices of `body` bytes, the last one shorter or as long; one empty slice for no bytes.

    A full slice waits for the next byte, since it is encrypted as the last one or not.
    Whoever collects a slice that is not small takes one of the `desks` until it is taken.
    """
    index, parts, seated = 0, bytearray(), False
    try:
        async for chunk in data:
            rest = memoryview(chunk)
            while rest:
                if len(parts) == body:
                    yield PlainSlice(index, parts, last=False)
                    index, parts = index + 1, bytearray()
                    if seated:
                        desks.release()
                        seated = False
                if not seated and len(parts) + len(rest) > SMALL:
                    await desks.acquire()
                    seated = True
                part = rest[: body - len(parts)]
                parts += part
                rest = rest[len(part) :]
        yield PlainSlice(index, parts, last=True)
    finally:
        if seated:
            desks.release()
