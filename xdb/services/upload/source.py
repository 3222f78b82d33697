"""A stream of bytes of any sizes becomes slices."""

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass

from xdb.model.buffer import Buffer


@dataclass(frozen=True, slots=True)
class PlainSlice:
    """One slice of plaintext; `last` on the last one only."""

    index: int
    data: bytes
    last: bool


async def cut_stream(data: AsyncIterable[Buffer], body: int) -> AsyncIterator[PlainSlice]:
    """Slices of `body` bytes, the last one shorter or as long; one empty slice for no bytes.

    Looks one slice ahead, since a slice is encrypted as the last one or not.
    """
    index, ready, parts, filled = 0, None, list[bytes](), 0
    async for chunk in data:
        rest = memoryview(chunk)
        while rest:
            if filled == body:
                if ready is not None:
                    yield PlainSlice(index, ready, last=False)
                    index += 1
                ready, parts, filled = b"".join(parts), [], 0
            part = rest[: body - filled]
            parts.append(bytes(part))
            filled += len(part)
            rest = rest[len(part) :]
    if ready is not None:
        yield PlainSlice(index, ready, last=False)
        index += 1
    yield PlainSlice(index, b"".join(parts), last=True)
