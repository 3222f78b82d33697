"""Lists in pages: bounded, each going on where the one before ended."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from xdb.errors import InvalidRequestError
from xdb.index.keys import number
from xdb.index.views import Page
from xdb.ports.kv import KeyValue

MOST = 1000
SCANNED = 10_000
"""Entries one question looks at. A page may be short of its limit, or empty, and go on."""

T = TypeVar("T")


def page(
    pairs: Iterator[tuple[bytes, bytes]],
    skipped: int,
    limit: int,
    taken: Callable[[bytes, bytes], T | None],
) -> Page[T]:
    """Up to `limit` items; the cursor is the last key looked at, without the prefix."""
    found: list[T] = []
    last, seen, most = b"", 0, checked(limit)
    for key, value in pairs:
        if len(found) == most or seen == SCANNED:
            return Page(tuple(found), last)
        item = taken(key, value)
        if item is not None:
            found.append(item)
        last, seen = key[skipped:], seen + 1
    return Page(tuple(found), b"")


def newest_first(  # noqa: PLR0913, PLR0917  # where, from when to when, and what a cursor looks like
    kv: KeyValue, prefix: bytes, since: int, until: int | None, after: bytes, width: int
) -> Iterator[tuple[bytes, bytes]]:
    """Pairs whose key goes on with a number in [since, until), the largest first."""
    start = cursor(after, width)
    if until is not None:
        start = min(start or number(until), number(until))
    pairs = kv.scan(prefix, after=prefix + start if start else b"", reverse=True)
    first = prefix + number(since)
    return while_(pairs, lambda key: key >= first)


def while_(
    pairs: Iterator[tuple[bytes, bytes]], wanted: Callable[[bytes], bool]
) -> Iterator[tuple[bytes, bytes]]:
    """Pairs up to the first whose key is not wanted."""
    for key, value in pairs:
        if not wanted(key):
            return
        yield key, value


def cursor(after: bytes, width: int) -> bytes:
    """A cursor that a page gave; InvalidRequestError for another."""
    if after and len(after) != width:
        raise InvalidRequestError(
            f"a cursor of {len(after)} bytes where {width} belong: use the one that a page gave"
        )
    return after


def checked(limit: int) -> int:
    """A limit that is one."""
    if not 1 <= limit <= MOST:
        raise InvalidRequestError(f"{limit} items a page: ask for 1 to {MOST}")
    return limit
