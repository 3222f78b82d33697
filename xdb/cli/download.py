"""`xdb-cli download`."""

import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import click

from xdb.cli import words
from xdb.cli.documents import document
from xdb.cli.parsing import RANGE, Span
from xdb.cli.progress import display, downloading
from xdb.cli.session import converse, now
from xdb.cli.state import State, connected, state
from xdb.client.records import Downloaded
from xdb.core.names import check_name
from xdb.errors import InvalidRequestError

if TYPE_CHECKING:
    from xdb.client import Client

STDOUT = "-"


@click.command(short_help="Fetch a file.")
@click.argument("file", metavar="FILE")
@click.argument("target", required=False)
@click.option("--range", "span", type=RANGE, help="Bytes FIRST-LAST, FIRST- or FIRST+LENGTH only.")
@click.option("--force", "-f", is_flag=True, help="Replace TARGET when it exists.")
@connected
def download(file: str, target: str | None, span: Span | None, *, force: bool) -> None:
    """Fetch FILE into TARGET, a file or a directory; `-` is standard output.

    Without TARGET the file comes into this directory. TARGET changes in one step, when
    everything is here and verified; an interrupted download goes on where it was when
    called again.
    """
    at = state()
    span = span or Span(0, None)
    if target == STDOUT:
        if at.json:
            raise InvalidRequestError(
                "--json and the file cannot share standard output: name a file to download to"
            )
        _fetch(at, file, None, span, force=force)
        return
    path = _path(file, target)
    began = now()
    result = _fetch(at, file, path, span, force=force)
    at.document({**document(result), "target": str(path)})
    took, here = now() - began, result.length - result.resumed
    at.say(f"{words.printable(str(path))}: {words.size(result.length)}, {_checked(result)}")
    resumed = f", {words.size(result.resumed)} were here already" if result.resumed else ""
    at.note(f"{words.duration(took)}, {words.speed(here, took)}{resumed}")


def _fetch(at: State, file: str, path: Path | None, span: Span, *, force: bool) -> Downloaded:
    with display(at) as shown:

        async def body(client: "Client") -> Downloaded:
            return await client.download(
                file,
                sys.stdout.buffer if path is None else path,
                offset=span.offset,
                length=span.length,
                replace=force,
                progress=downloading(shown, file),
            )

        return converse(at, body)


def _path(file: str, target: str | None) -> Path:
    """Where to put it; the last part of a name that was typed here may become a file's name."""
    path = Path(target or ".")
    if not path.is_dir():
        return path
    _, slash, name = file.partition("/")
    if not slash:
        raise InvalidRequestError(
            f"a file id gives no name for the file in {path}: name the file to download to"
        )
    return path / PurePosixPath(check_name(name)).name


def _checked(result: Downloaded) -> str:
    whole = result.offset == 0 and result.length == result.file.size
    return "SHA-256 verified" if whole else f"bytes {result.offset}+{result.length}, verified"
