"""Verbs about one file: info, rm, undelete, mv, renew."""

import sys
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from xdb.cli import words
from xdb.cli.documents import document, plain
from xdb.cli.exits import Exit, exit_of
from xdb.cli.parsing import EXPIRES
from xdb.cli.session import converse, now
from xdb.cli.state import State, connected, state
from xdb.cli.table import Column, fields, show
from xdb.client.records import FileInfo, FileStatus
from xdb.core.names import check_name, check_namespace_name
from xdb.errors import IntegrityError, InvalidRequestError, XdbError

if TYPE_CHECKING:
    from xdb.client import Client

_SLOTS = (Column("SLOT", right=True), Column("NODE"), Column("ADDRESS"), Column("STATE"))


@click.command(short_help="Show a file: what is where, until when.")
@click.argument("file", metavar="FILE")
@connected
def info(file: str) -> None:
    """Show all there is to say about FILE: times, digest, health, which node has what."""
    at = state()
    found = converse(at, lambda client: client.info(file))
    at.document(document(found))
    if at.json:
        return
    at.say(click.style(words.printable(found.ref), bold=True))
    fields(at, _facts(found, now()))
    at.say()
    rows = [
        [
            str(slot.slot),
            slot.node.hex(),
            slot.address or "-",
            slot.state.name.lower() if slot.state else "gone",
        ]
        for slot in found.slots
    ]
    show(at, _SLOTS, rows)


@click.command(short_help="Delete files; undelete brings them back for a while.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@connected
def rm(files: tuple[str, ...], *, yes: bool) -> int:
    """Delete FILEs. Until retention ends, `undelete` brings them back."""
    at = state()
    if not yes and sys.stdin.isatty() and sys.stderr.isatty():
        what = words.printable(files[0]) if len(files) == 1 else words.plural(len(files), "file")
        if not click.confirm(f"Delete {what}?", err=True):
            return Exit.REFUSED
    errors: list[XdbError] = []

    async def body(client: "Client") -> None:
        for file in files:
            try:
                deleted = await client.delete(file)
            except XdbError as error:
                if len(files) == 1:
                    raise
                errors.append(error)
                at.fail(f"{words.printable(file)}: {error}")
                at.document({"ref": file, "error": plain(error)})
                continue
            at.document(document(deleted))
            at.say(f"{words.printable(deleted.ref)}: deleted")
            at.note(
                f"until {words.spelled(deleted.gone, now())}, it comes back with:\n"
                f"  xdb-cli undelete {deleted.file.hex()}"
            )

    converse(at, body)
    if not errors:
        return Exit.OK
    return exit_of(errors[0]) if len(errors) == len(files) else Exit.PARTLY


@click.command(short_help="Bring a deleted file back.")
@click.argument("file", metavar="FILE")
@click.option("--expires", type=EXPIRES, help="Another expiry; needed when it has passed, too.")
@connected
def undelete(file: str, expires: timedelta | datetime | None) -> None:
    """Bring FILE back, which was deleted and is in retention."""
    _tell(state(), converse(state(), lambda client: client.undelete(file, expires)), "is back")


@click.command(short_help="Give a file another expiry.")
@click.argument("file", metavar="FILE")
@click.option(
    "--expires", type=EXPIRES, default="1y", show_default=True, help="30d, 12w, 1y, 2027-01-31."
)
@connected
def renew(file: str, expires: timedelta | datetime) -> None:
    """Give FILE another expiry. Expired files come back as long as they are in retention."""
    _tell(state(), converse(state(), lambda client: client.renew(file, expires)), "renewed")


@click.command(short_help="Give a file another name or namespace.")
@click.argument("file", metavar="FILE")
@click.argument("new", metavar="NAMESPACE/NAME")
@click.option("--description", help="Another description, too.")
@connected
def mv(file: str, new: str, description: str | None) -> None:
    """Name FILE NAMESPACE/NAME.

    Within a namespace this is a change of its record. Into another namespace the file is
    downloaded and uploaded, and deleted where it was once it is published.
    """
    namespace, slash, name = new.partition("/")
    if not slash:
        raise InvalidRequestError(f"{new!r} is no new name: write NAMESPACE/NAME")
    namespace, name = check_namespace_name(namespace), check_name(name)

    async def body(client: "Client") -> FileInfo:
        found = await client.info(file)
        if found.namespace == namespace:
            return await client.rename(found, name, description)
        return await _across(client, found, namespace, name, description)

    at = state()
    made = converse(at, body)
    at.document(document(made))
    at.say(f"{words.printable(file)} is {words.printable(made.ref)} now")


async def _across(
    client: "Client", found: FileInfo, namespace: str, name: str, description: str | None
) -> FileInfo:
    made = await client.upload(
        client.stream(found),
        namespace,
        name,
        expires=found.expiry,
        description=found.description if description is None else description,
        media_type=found.media_type,
        extra=found.extra or {},
    )
    if made.digest != found.digest:
        raise IntegrityError(
            f"{made.ref} is not the same as {found.ref}, which is left as it was: delete "
            f"{made.ref} and try again"
        )
    await client.delete(found)
    return made


def _tell(at: State, file: FileInfo, what: str) -> None:
    at.document(document(file))
    at.say(f"{words.printable(file.ref)}: {what}, expires {words.spelled(file.expiry, now())}")


def _facts(file: FileInfo, time: float) -> list[tuple[str, str]]:
    slices = f"{file.slices:,} of up to {words.size(file.slice_size)}" if file.slices else ""
    ended = "gone" if file.status in {FileStatus.EXPIRED, FileStatus.DELETED} else ""
    return [
        ("id", file.file.hex()),
        ("description", file.description),
        ("size", words.exact_size(file.size)),
        ("type", file.media_type),
        ("sha-256", file.digest.hex() if file.digest else ""),
        ("status", file.status.name.lower()),
        ("health", file.health.name.lower() if file.health else ""),
        ("published", words.spelled(file.published, time)),
        ("expires", words.spelled(file.expiry, time)),
        ("deleted", words.spelled(file.deleted, time) if file.deleted else ""),
        (ended, words.spelled(file.gone, time) if ended else ""),
        ("redundancy", words.policy(file.redundancy)),
        ("slices", slices),
        ("root", file.root.hex()),
        ("version", str(file.version)),
        *((f"+{key}", value) for key, value in sorted((file.extra or {}).items())),
    ]
