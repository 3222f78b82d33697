"""Progress, on standard error: bars on a terminal, plain lines elsewhere.

Standard output carries results only, so that it can be piped.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from xdb.cli import words
from xdb.cli.state import State

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from xdb.client.directory import DirectoryProgress
    from xdb.client.records import DownloadProgress, ReplicaCheck, UploadProgress
    from xdb.ports.clock import Clock

STAGES = ("sending", "stored", "published", "final")
"""What an upload reaches, in this order."""

PACE = 2.0
"""Seconds between two plain lines."""


@dataclass(frozen=True, slots=True)
class View:
    """What is shown at one moment."""

    title: str
    done: int
    total: int | None
    unit: str = ""  # such as replicas; bytes when empty
    stage: str = ""  # one of STAGES
    last: str = ""  # the stage that ends it
    holders: tuple[tuple[int, bytes, int], ...] = ()  # slot, node, durable bytes
    beside: str = ""  # such as: 12 of 40 files

    @property
    def amount(self) -> str:
        """`12.3 MiB of 27.1 MiB`, `3 of 12 replicas`."""
        if self.unit:
            return f"{self.done:,} of {self.total:,} {self.unit}"
        done = words.size(self.done)
        return done if self.total is None else f"{done} of {words.size(self.total)}"

    @property
    def percent(self) -> int | None:
        """Whole per cent, when there is a total."""
        if self.total is None:
            return None
        return 100 * self.done // self.total if self.total else 100


class Display(Protocol):
    """Where views appear."""

    def show(self, view: View) -> None:
        """Shows a view instead of the one before."""
        ...

    def note(self, text: str) -> None:
        """Says something that stays."""
        ...

    def fail(self, text: str) -> None:
        """Says what went wrong with one of several things."""
        ...


class Silence:
    """Shows nothing but failures."""

    def __init__(self, state: State) -> None:
        self._state = state

    def show(self, view: View) -> None:
        """See `Display`."""

    def note(self, text: str) -> None:
        """See `Display`."""

    def fail(self, text: str) -> None:
        """See `Display`."""
        self._state.fail(text)


class Lines:
    """A line at every stage, and one now and then in between."""

    def __init__(self, state: State, clock: "Clock") -> None:
        self._state = state
        self._clock = clock
        self._last = clock.monotonic()
        self._stage = ""

    def show(self, view: View) -> None:
        """See `Display`."""
        if view.stage not in ("", STAGES[0]):
            if view.stage != self._stage:
                self._stage = view.stage
                self._state.note(f"{view.title}: {view.stage}")
            return
        if self._clock.monotonic() - self._last < PACE:
            return
        self._last = self._clock.monotonic()
        share = "" if view.percent is None else f" ({view.percent}%)"
        beside = f", {view.beside}" if view.beside else ""
        self._state.note(f"{view.title}: {view.amount}{share}{beside}")

    def note(self, text: str) -> None:
        """See `Display`."""
        self._state.note(text)

    def fail(self, text: str) -> None:
        """See `Display`."""
        self._state.fail(text)


@contextmanager
def display(state: State) -> Iterator[Display]:
    """The display that fits where standard error goes."""
    chosen: AbstractContextManager[Display]
    if state.json or state.quiet:
        chosen = nullcontext(Silence(state))
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        from xdb.cli.bars import Bars  # noqa: PLC0415  # rich is slow to import

        chosen = Bars()
    else:
        from xdb.runtime.clock import SystemClock  # noqa: PLC0415  # imports asyncio

        chosen = nullcontext(Lines(state, SystemClock()))
    with chosen as shown:
        yield shown


def uploading(
    shown: Display, title: str, *, final: bool = False
) -> "Callable[[UploadProgress], None]":
    """Shows an upload."""
    last = STAGES[3] if final else STAGES[2]

    def show(progress: "UploadProgress") -> None:
        if progress.note:
            shown.note(progress.note)
        stage = progress.stage.name.lower()
        shown.show(
            View(
                title,
                progress.received,
                progress.total,
                stage=stage if stage in STAGES else STAGES[0],
                last=last,
                holders=tuple((each.slot, each.node, each.size) for each in progress.holders),
            )
        )

    return show


def downloading(shown: Display, title: str) -> "Callable[[DownloadProgress], None]":
    """Shows a download."""
    return lambda progress: shown.show(View(title, progress.done, progress.total))


def uploading_directory(shown: Display, title: str) -> "Callable[[DirectoryProgress], None]":
    """Shows the upload of a directory."""

    def show(progress: "DirectoryProgress") -> None:
        beside = f"{progress.files:,} of {words.plural(progress.files_total, 'file')}"
        shown.show(View(title, progress.size, progress.size_total, beside=beside))

    return show


def verifying(shown: Display, title: str) -> "Callable[[ReplicaCheck], None]":
    """Shows a verification."""
    return lambda check: shown.show(View(title, check.checked, check.total, "replicas"))
