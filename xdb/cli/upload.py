"""`xdb-cli upload`."""

import shlex
import sys
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from xdb.cli import words
from xdb.cli.documents import document
from xdb.cli.exits import Exit
from xdb.cli.parsing import EXPIRES, SIZE, hexadecimal
from xdb.cli.progress import Display, display, uploading, uploading_directory
from xdb.cli.session import converse, now
from xdb.cli.state import State, connected, state
from xdb.client.records import FileInfo, Stage, UploadProgress
from xdb.core.names import check_name, check_namespace_name
from xdb.errors import InvalidRequestError, PlacementError, UnavailableError

if TYPE_CHECKING:
    from xdb.client import Client, DirectoryResult, UploadOptions
    from xdb.client.source import Uploadable

STDIN = "-"
_WAITS = {"published": Stage.PUBLISHED, "final": Stage.FINAL}


@dataclass(frozen=True, slots=True)
class Order:
    """What to upload, and how."""

    path: str
    namespace: str
    name: str
    options: "UploadOptions"
    skip_same: bool

    @property
    def is_final(self) -> bool:
        """Whether it waits for that."""
        return self.options.get("wait") is Stage.FINAL


@click.command(short_help="Store a file, a directory or standard input.")
@click.argument("path")
@click.argument("target", metavar="NAMESPACE[/NAME]")
@click.option(
    "--expires",
    type=EXPIRES,
    default="1y",
    show_default=True,
    help="How long, or until when: 30d, 12w, 1y, 2027-01-31.",
)
@click.option("--description", default="", help="Kept encrypted beside the name.")
@click.option("--type", "media_type", help="Media type; guessed from the name.")
@click.option("--replace", is_flag=True, help="Take the place of a live file of this name.")
@click.option("--skip-same", is_flag=True, help="Leave files alone that are there already.")
@click.option(
    "--wait",
    type=click.Choice(list(_WAITS)),
    default="published",
    show_default=True,
    help="Return when the record is on the chain, or there for good.",
)
@click.option("--slice-size", type=SIZE, help="A power of two from 64KiB to 64MiB.")
@click.option(
    "--resume", type=hexadecimal(16, "upload id"), help="Go on with an interrupted upload."
)
@connected
def upload(  # noqa: PLR0913, PLR0917  # its options
    path: str,
    target: str,
    expires: timedelta | datetime,
    description: str,
    media_type: str | None,
    wait: str,
    slice_size: int | None,
    resume: bytes | None,
    *,
    replace: bool,
    skip_same: bool,
) -> int:
    """Store PATH, a file or a directory; `-` is standard input.

    Without NAME a file gets that of PATH. A directory's files are named by their paths in
    it, after NAME or the directory's own name. The namespace must exist: see `ns create`.
    """
    namespace, _, name = target.partition("/")
    options: UploadOptions = {
        "expires": expires,
        "description": description,
        "replace": replace,
        "wait": _WAITS[wait],
    }
    if media_type is not None:
        options["media_type"] = media_type
    if slice_size is not None:
        options["slice_size"] = slice_size
    if resume is not None:
        options["upload_id"] = resume
    name = check_name(name) if name else ""
    order = Order(path, check_namespace_name(namespace), name, options, skip_same)
    if path != STDIN and Path(path).is_dir():
        return _directory(state(), order)
    _file(state(), order)
    return Exit.OK


def _file(at: State, order: Order) -> None:
    if order.path == STDIN and not order.name:
        raise InvalidRequestError(
            f"standard input has no name: write {order.namespace}/NAME to give it one"
        )
    if order.skip_same:
        raise InvalidRequestError("--skip-same is for directories: leave it out")
    last: list[UploadProgress] = []
    began = now()
    with display(at) as shown:
        tell = uploading(shown, order.name or Path(order.path).name, final=order.is_final)

        def keep(progress: UploadProgress) -> None:
            last[:] = [progress]
            tell(progress)

        async def body(client: "Client") -> FileInfo:
            source: Uploadable = sys.stdin.buffer if order.path == STDIN else Path(order.path)
            return await client.upload(
                source, order.namespace, order.name or None, progress=keep, **order.options
            )

        try:
            file = converse(at, body)
        except (UnavailableError, PlacementError, KeyboardInterrupt):
            _tell_how_to_resume(at, order, last)
            raise
    _tell(at, file, now() - began, order)


def _tell_how_to_resume(at: State, order: Order, last: list[UploadProgress]) -> None:
    if last and order.path != STDIN:
        target = f"{order.namespace}/{order.name or Path(order.path).name}"
        command = shlex.join(["xdb-cli", "upload", order.path, target])
        at.note(
            f"what is stored already is not sent again with:\n  {command} \\\n"
            f"    --resume {last[0].upload_id.hex()}"
        )


def _tell(at: State, file: FileInfo, took: float, order: Order) -> None:
    at.document(document(file))
    nodes = words.plural(len({slot.node for slot in file.slots}), "node")
    reached = "final" if order.is_final else "published"
    at.say(f"{words.printable(file.ref)}: {words.size(file.size)} on {nodes}, {reached}")
    at.note(
        f"{words.duration(took)}, {words.speed(file.size, took)}, expires {words.day(file.expiry)}"
    )


def _directory(at: State, order: Order) -> int:
    counts = dict.fromkeys(("uploaded", "unchanged", "skipped", "failed"), 0)
    size, began = 0, now()
    with display(at) as shown:

        async def body(client: "Client") -> None:
            nonlocal size
            results = client.upload_directory(
                order.path,
                order.namespace,
                order.name or None,
                skip_same=order.skip_same,
                progress=uploading_directory(shown, order.path),
                **order.options,
            )
            async with aclosing(results):
                async for result in results:
                    counts[result.outcome.value] += 1
                    if result.file is not None and result.outcome.value == "uploaded":
                        size += result.file.size
                    _entry(at, shown, result)

        converse(at, body)
    took = now() - began
    told = ", ".join(f"{count:,} {outcome}" for outcome, count in counts.items() if count)
    at.say(f"{words.printable(order.path)}: {told or 'no files'}")
    at.note(f"{words.size(size)} in {words.duration(took)}, {words.speed(size, took)}")
    return Exit.PARTLY if counts["failed"] else Exit.OK


def _entry(at: State, shown: Display, result: "DirectoryResult") -> None:
    at.document(document(result))
    if result.outcome.value == "failed":
        shown.fail(f"{words.printable(str(result.path))}: {result.error}")
    elif result.outcome.value == "skipped":
        shown.note(f"skipped: {words.printable(str(result.path))}: neither file nor directory")
