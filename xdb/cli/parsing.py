"""Arguments of verbs: expiries, moments, ranges, ids, policies."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, NamedTuple, TypeVar

import click

from xdb.config.units import parse_duration, parse_size
from xdb.core.names import parse_hex
from xdb.errors import InvalidRequestError
from xdb.model.registry import Coding, Redundancy

T = TypeVar("T")

_YEARS = re.compile(r"(\d{1,3})\s*y")
_ERASURE = re.compile(r"(\d{1,2})\+(\d{1,2})")


class Parsed(click.ParamType, Generic[T]):  # type: ignore[type-arg]  # not in all versions
    """Arguments that a function reads; its ValueError is the message."""

    def __init__(self, name: str, parse: Callable[[str], T]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401  # click's
        """What the text says."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except (ValueError, OverflowError, InvalidRequestError) as error:
            self.fail(str(error), param, ctx)


class Span(NamedTuple):
    """Bytes of a file; a length of None goes to its end."""

    offset: int
    length: int | None


def parse_expiry(text: str) -> timedelta | datetime:
    """`30d`, `1y`, `2027-01-31`, `2027-01-31T12:00Z`."""
    found = _length(text) or _time(text)
    if found is None:
        raise ValueError(
            f"{text!r} is no expiry: write how long, such as 30d, 12w or 1y, or until when, such "
            "as 2027-01-31 or 2027-01-31T12:00Z"
        )
    return found


def parse_moment(text: str) -> timedelta | datetime:
    """How long ago, or when."""
    found = _length(text) or _time(text)
    if found is None:
        raise ValueError(f"{text!r} is no time: write 7d for seven days ago, or 2027-01-31")
    return found


def parse_range(text: str) -> Span:
    """`FIRST-LAST` with the last byte included, as in HTTP, `FIRST-` or `FIRST+LENGTH`."""
    start, mark, end = text.partition("+" if "+" in text else "-")
    try:
        offset = parse_size(start)
        if mark == "+":
            return Span(offset, parse_size(end))
        if mark and not end:
            return Span(offset, None)
        if mark and parse_size(end) >= offset:
            return Span(offset, parse_size(end) - offset + 1)
    except ValueError:
        pass  # said below, with examples
    raise ValueError(
        f"{text!r} is no range: write FIRST-LAST, FIRST- or FIRST+LENGTH in bytes, such as 0-99, "
        "4096- or 1MiB+64KiB"
    )


def parse_erasure(text: str) -> Redundancy:
    """`4+2`: any 4 of 6 restore."""
    match = _ERASURE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no erasure code: write K+M, such as 4+2")
    required, parity = int(match[1]), int(match[2])
    return Redundancy(Coding.ERASURE, required, required + parity)


def hexadecimal(width: int, what: str) -> Parsed[bytes]:
    """An id of `width` bytes."""
    return Parsed("ID", lambda text: parse_hex(text, width, what))


EXPIRES = Parsed("WHEN", parse_expiry)
MOMENT = Parsed("WHEN", parse_moment)
RANGE = Parsed("RANGE", parse_range)
SIZE = Parsed("SIZE", parse_size)
ERASURE = Parsed("K+M", parse_erasure)


def _length(text: str) -> timedelta | None:
    if years := _YEARS.fullmatch(text.strip()):
        return timedelta(days=365 * int(years[1]))
    if text.strip().isdigit():
        return None  # a bare number says neither days nor seconds
    try:
        return timedelta(seconds=parse_duration(text))
    except ValueError:
        return None


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
