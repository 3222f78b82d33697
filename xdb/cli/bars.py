"""Progress on a terminal."""

from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from xdb.cli import words
from xdb.cli.progress import STAGES, View
from xdb.runtime.clock import SystemClock

MOST_HOLDERS = 8
"""Holders that are shown one by one."""
BAR = 22
_SETTLED = 1.0  # seconds until a speed says something


class Bars:
    """A bar with amount, speed and time left; holders; stages. Gone when it is over."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._clock = SystemClock()
        self._started = self._clock.monotonic()
        self._first: int | None = None
        self._view: View | None = None
        self._live = Live(
            get_renderable=self._render,
            console=self._console,
            transient=True,
            refresh_per_second=8,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._view = None
        self._live.stop()

    def show(self, view: View) -> None:
        """See `Display`."""
        if self._first is None:  # what was there before we began is no speed of ours
            self._first = view.done
            self._started = self._clock.monotonic()
        self._view = view

    def note(self, text: str) -> None:
        """See `Display`."""
        self._console.print(Text(words.printable(text)))

    def fail(self, text: str) -> None:
        """See `Display`."""
        self._console.print(
            Text("failed: ", style="bold red").append(text, style="not bold default")
        )

    def _render(self) -> RenderableType:
        view = self._view
        if view is None:
            return Text("")
        parts: list[RenderableType] = [self._line(view)]
        parts += [_holder(*holder) for holder in view.holders[:MOST_HOLDERS]]
        if len(view.holders) > MOST_HOLDERS:
            parts.append(Text(f"  and {len(view.holders) - MOST_HOLDERS} more slots", style="dim"))
        if view.stage:
            parts.append(_stages(view))
        return Group(*parts)

    def _line(self, view: View) -> RenderableType:
        title = Text(
            words.shortened(words.printable(view.title), self._console.width), style="bold"
        )
        total = view.total if view.total is None else max(view.total, 1)
        done = view.done if view.total else 1
        line = Table.grid(padding=(0, 2))
        percent = "" if view.percent is None else f"{view.percent:3}%"
        line.add_row(
            ProgressBar(total=total, completed=done, width=BAR, pulse=total is None),
            percent,
            view.amount,
            self._pace(view),
        )
        beside = [Text(f"  {view.beside}", style="dim")] if view.beside else []
        return Group(title, line, *beside)

    def _pace(self, view: View) -> str:
        took = self._clock.monotonic() - self._started
        moved = view.done - (self._first or 0)
        if took < _SETTLED or moved <= 0:
            return ""
        pace = f"{moved / took:.1f}/s" if view.unit else words.speed(moved, took)
        if view.total is None or view.done >= view.total:
            return pace
        return f"{pace}  {words.span((view.total - view.done) * took / moved)} left"


def _holder(slot: int, node: bytes, size: int) -> Text:
    text = Text(f"  slot {slot:2}  ", style="dim")
    text.append(words.short(node), style="default not dim")
    return text.append(f"  {words.size(size)} durable")


def _stages(view: View) -> Text:
    text = Text("  ")
    # Sending is told when it begins, every other stage when it is reached.
    under_way = STAGES.index(view.stage) + (view.stage != STAGES[0])
    for at, stage in enumerate(STAGES[: STAGES.index(view.last) + 1]):
        if at:
            text.append(" → ", style="dim")
        if at < under_way:
            text.append(f"{stage} ✓", style="green")
        else:
            text.append(stage, style="bold" if at == under_way else "dim")
    return text
