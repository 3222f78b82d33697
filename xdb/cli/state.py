"""What every verb knows: the options that all of them have, and the two outputs."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from xdb.cli import words

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(slots=True)
class State:
    """Options common to all verbs."""

    context: Path | None = None
    password_file: Path | None = None
    json: bool = False
    debug: bool = False
    quiet: bool = False

    def say(self, text: str = "") -> None:
        """A line for people, on standard output; nothing with --json."""
        if not self.json:
            click.echo(text, color=has_colours())

    def note(self, text: str) -> None:
        """A line beside the result, on standard error; nothing with --json or --quiet."""
        if not self.json and not self.quiet:
            click.echo(text, err=True, color=has_colours(err=True))

    def fail(self, text: str) -> None:
        """What went wrong with one of several things, on standard error; JSON says it itself."""
        if not self.json:
            alarm("failed:", text)

    def document(self, value: object) -> None:
        """One JSON document or line, with --json."""
        if self.json:
            click.echo(json.dumps(value, ensure_ascii=False))


def alarm(label: str, text: str) -> None:
    """A line about what went wrong, on standard error."""
    # The label is coloured after the lines are broken: colours have no width.
    lines = words.wrapped(f"{label} {text}", terminal_width(err=True), len(label) + 1, 0)
    styled = click.style(label, fg="red", bold=True) + lines.removeprefix(label)
    click.echo(styled, err=True, color=has_colours(err=True))


def has_colours(*, err: bool = False) -> bool:
    """Whether the output is a terminal that shall show colours."""
    stream = sys.stderr if err else sys.stdout
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def terminal_width(*, err: bool = False) -> int | None:
    """Columns of the terminal that an output is, None when it is none."""
    stream = sys.stderr if err else sys.stdout
    return shutil.get_terminal_size().columns if stream.isatty() else None


def state() -> State:
    """The running verb's."""
    return click.get_current_context().ensure_object(State)


def _keep(ctx: click.Context, parameter: click.Parameter, value: object) -> object:
    # The same options stand before and after the verb; the later one counts.
    if value and parameter.name:
        setattr(ctx.ensure_object(State), parameter.name, value)
    return value


def _option(*names: str, text: str, **settings: Any) -> Callable[[F], F]:  # noqa: ANN401  # click's
    return click.option(*names, help=text, callback=_keep, expose_value=False, **settings)


_PATH = click.Path(path_type=Path)

_JSON = _option("--json", is_flag=True, text="Print JSON.")
_QUIET = _option("--quiet", "-q", is_flag=True, text="No progress, no notes.")
_CONTEXT = _option(
    "--context", type=_PATH, metavar="FILE", text="Which owner node, with which key."
)
_PASSWORD = _option(
    "--password-file", type=_PATH, metavar="FILE", text="Password of the context's keystore."
)
_DEBUG = _option("--debug", is_flag=True, text="Show where an error comes from.")


def common(command: F) -> F:
    """The options of every verb that prints."""
    return _JSON(_QUIET(_DEBUG(command)))


def connected(command: F) -> F:
    """The options of every verb that asks the owner node."""
    return _JSON(_QUIET(_CONTEXT(_PASSWORD(_DEBUG(command)))))


def placed(command: F) -> F:
    """The options of every verb that goes by the context, and does not ask the owner node."""
    return _JSON(_QUIET(_CONTEXT(_DEBUG(command))))
