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

STAGES = ("sending", "stored", "published", "final")
"""What an upload reaches, in this order."""

_STEP = 10
"""Per cent between two plain lines."""
_UNKNOWN_STEP = 64 << 20
"""Bytes between two plain lines when nobody knows how many there will be."""


@dataclass(frozen=True, slots=True)
class View:
    """What is shown at one moment."""

    title: str
    done: int
    total: int | None
    write: Callable[[float], str] = words.size
    stage: str = ""  # one of STAGES
    last: str = ""  # the stage that ends it
    holders: tuple[tuple[int, bytes, int], ...] = ()  # slot, node, durable bytes
    beside: str = ""  # such as: 12 of 40 files

    @property
    def amount(self) -> str:
        """`12.3 MiB of 27.1 MiB`."""
        done = self.write(self.done)
        return done if self.total is None else f"{done} of {self.write(self.total)}"

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


class Silence:
    """Shows nothing."""

    def show(self, view: View) -> None:
        """See `Display`."""

    def note(self, text: str) -> None:
        """See `Display`."""


class Lines:
    """A line at every tenth and at every stage."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._step = -1
        self._stage = ""

    def show(self, view: View) -> None:
        """See `Display`."""
        if view.stage not in ("", STAGES[0]):
            if view.stage != self._stage:
                self._stage = view.stage
                self._state.note(f"{view.title}: {view.stage}")
            return
        percent = view.percent
        step = view.done // _UNKNOWN_STEP if percent is None else percent // _STEP
        if step > self._step and view.done:
            self._step = step
            share = "" if percent is None else f" ({percent}%)"
            beside = f", {view.beside}" if view.beside else ""
            self._state.note(f"{view.title}: {view.amount}{share}{beside}")

    def note(self, text: str) -> None:
        """See `Display`."""
        self._state.note(text)


@contextmanager
def display(state: State) -> Iterator[Display]:
    """The display that fits where standard error goes."""
    chosen: AbstractContextManager[Display]
    if state.json or state.quiet:
        chosen = nullcontext(Silence())
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        from xdb.cli.bars import Bars  # noqa: PLC0415  # rich is slow to import

        chosen = Bars()
    else:
        chosen = nullcontext(Lines(state))
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
    return lambda check: shown.show(
        View(title, check.checked, check.total, lambda count: words.plural(int(count), "replica"))
    )
