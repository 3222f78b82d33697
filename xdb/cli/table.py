"""Tables of aligned columns. The last line has no trailing blanks, nothing wraps."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

import click

from xdb.cli import words
from xdb.cli.state import State, terminal_width

GAP = "  "
NARROWEST = 12

COLOURS = {
    "green": "green",
    "yellow": "yellow",
    "red": "red",
    "lost": "red",
    "online": "green",
    "draining": "yellow",
    "offline": "red",
    "left": "red",
    "running": "green",
    "paused": "yellow",
    "stopped": "red",
}
"""Words that have a colour wherever they are a cell."""


class Column(NamedTuple):
    """A column; an `elastic` one gives way on a terminal that is too narrow."""

    title: str
    right: bool = False
    elastic: bool = False


def show(
    state: State,
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    below: Sequence[str] = (),
) -> None:
    """Prints a table; a line of `below` follows each row when there are any."""
    title, *others = lines(columns, rows, terminal_width())
    state.say(title)
    for line, after in zip_longest(others, below):
        state.say(line)
        if after:
            state.say(after)


def lines(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], available: int | None
) -> list[str]:
    """The table's lines, coloured; `available` columns of a terminal, None when it is none."""
    titles = [column.title for column in columns]
    cells = [titles, *([words.printable(cell) for cell in row] for row in rows)]
    widths = [max(words.width(row[at]) for row in cells) for at in range(len(columns))]
    if available is not None:
        _give_way(columns, widths, available)
    made = [_line(columns, widths, row) for row in cells]
    return [click.style(_line(columns, widths, titles, plain=True), bold=True), *made[1:]]


def _give_way(columns: Sequence[Column], widths: list[int], available: int) -> None:
    excess = sum(widths) + len(GAP) * (len(widths) - 1) - available
    for at, column in enumerate(columns):
        if column.elastic and excess > 0:
            less = min(excess, max(0, widths[at] - NARROWEST))
            widths[at] -= less
            excess -= less


def _line(
    columns: Sequence[Column], widths: Sequence[int], row: Sequence[str], *, plain: bool = False
) -> str:
    parts = []
    for column, width, cell in zip(columns, widths, row, strict=True):
        text = words.shortened(cell, width)
        blanks = " " * (width - words.width(text))
        if not plain and text in COLOURS:
            text = click.style(text, fg=COLOURS[text])
        parts.append(blanks + text if column.right else text + blanks)
    return GAP.join(parts).rstrip()


def fields(state: State, pairs: Sequence[tuple[str, str]], indent: str = "  ") -> None:
    """Prints names and values, one pair a line, those without value left out."""
    shown = [(name, words.printable(value)) for name, value in pairs if value]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        text = click.style(value, fg=COLOURS[value]) if value in COLOURS else value
        state.say(f"{indent}{click.style(name.ljust(width), dim=True)}{GAP}{text}")
