"""Values as people read them."""

import textwrap
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime

from xdb.model.registry import Coding, Redundancy

SHORT = 8
"""Digits of an id that are shown where there is no room for all."""

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_STEP = 1024
_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400
_SPANS = ((2 * _MINUTE, 1, "s"), (2 * _HOUR, _MINUTE, "min"), (2 * _DAY, _HOUR, "h"))


def size(count: float) -> str:
    """`27.1 MiB`."""
    number, unit = float(count), 0
    # 1023.96 KiB would be written 1024.0
    while number >= _STEP - 0.05 and unit < len(_UNITS) - 1:
        number /= _STEP
        unit += 1
    return f"{number:.1f} {_UNITS[unit]}" if unit else f"{int(count)} B"


def exact_size(count: int) -> str:
    """`27.1 MiB (28,416,409 bytes)`."""
    return f"{size(count)} ({plural(count, 'byte')})" if count >= _STEP else plural(count, "byte")


def numbers(of: Sequence[int]) -> str:
    """`0-14, 17`."""
    runs: list[list[int]] = []
    for number in sorted(of):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(f"{a}-{b}" if a != b else f"{a}" for a, b in runs)


def speed(count: int, seconds: float) -> str:
    """`61.2 MiB/s`."""
    return f"{size(count / seconds)}/s" if seconds > 0 else "-"


def plural(count: int, noun: str) -> str:
    """`1 node`, `1,000 nodes`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def moment(time: datetime | None) -> str:
    """`2027-01-31 12:00:00 UTC`."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC") if time else "-"


def day(time: datetime | None) -> str:
    """`2027-01-31`."""
    return time.strftime("%Y-%m-%d") if time else "-"


def relative(time: datetime | None, now: float) -> str:
    """`5 min ago`, `in 364 days`."""
    if time is None:
        return "-"
    ahead = round((time - datetime.fromtimestamp(now, UTC)).total_seconds())
    if abs(ahead) <= 1:
        return "now"
    length = span(abs(ahead))
    return f"in {length}" if ahead > 0 else f"{length} ago"


def span(seconds: float) -> str:
    """`90 s`, `5 min`, `36 h`, `364 days`, `3 years`."""
    for end, unit, name in _SPANS:
        if seconds < end:
            return f"{int(seconds // unit)} {name}"
    if seconds < 2 * _YEAR:
        return plural(round(seconds / _DAY), "day")
    return plural(round(seconds / _YEAR), "year")


def duration(seconds: float) -> str:
    """`1.4 s`, `5 min`."""
    return f"{seconds:.1f} s" if seconds < 2 * _MINUTE else span(seconds)


def since(time: datetime | None, now: float) -> str:
    """How long ago, without saying "ago": `3 s`."""
    return span(max(0.0, now - time.timestamp())) if time else "-"


def spelled(time: datetime | None, now: float) -> str:
    """`2027-01-31 12:00:00 UTC, in 364 days`."""
    return f"{moment(time)}, {relative(time, now)}" if time else "-"


def policy(redundancy: Redundancy) -> str:
    """`3 copies`, `4+2 erasure`."""
    if redundancy.coding is Coding.COPIES:
        return "1 copy" if redundancy.total == 1 else f"{redundancy.total} copies"
    return f"{redundancy.required}+{redundancy.total - redundancy.required} erasure"


def short(id_: bytes) -> str:
    """The first digits of an id."""
    return id_.hex()[:SHORT]


def printable(text: str) -> str:
    """`text` without anything that would drive a terminal: others may have written it."""
    return "".join("\ufffd" if unicodedata.category(c).startswith("C") else c for c in text)


def width(text: str) -> int:
    """Columns that `text` takes."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def wrapped(text: str, columns: int | None, indent: int, first: int | None = None) -> str:
    """`text` in lines of at most `columns`, broken at blanks; as it is without a terminal.

    `indent` columns stay free before every line, `first` before the first one.
    """
    start = " " * (indent if first is None else first)
    if columns is None:
        return start + text
    return textwrap.fill(
        text,
        columns,
        initial_indent=start,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def shortened(text: str, columns: int) -> str:
    """`text` in at most `columns`, its middle left out; both ends of a path matter."""
    if width(text) <= columns:
        return text
    head, tail = text, text
    while width(head) > (columns - 1) // 2:
        head = head[:-1]
    while width(tail) > columns - 1 - width(head):
        tail = tail[1:]
    return f"{head}…{tail}"
