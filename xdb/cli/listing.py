"""`xdb-cli ls` and `xdb-cli usage`."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from xdb.cli import words
from xdb.cli.documents import document, plain
from xdb.cli.parsing import MOMENT
from xdb.cli.session import converse, now
from xdb.cli.state import State, connected, state
from xdb.cli.table import Column, show
from xdb.client.records import FileInfo, FilePage, FileStatus
from xdb.errors import InvalidRequestError

if TYPE_CHECKING:
    from xdb.client import Client

PAGE = 100


@click.command(short_help="List files.")
@click.argument("namespace", required=False)
@click.option("--expired", is_flag=True, help="Expired files that renew brings back.")
@click.option("--deleted", is_flag=True, help="Deleted files that undelete brings back.")
@click.option("--since", type=MOMENT, help="Published then or later: 7d, 2027-01-31.")
@click.option("--until", type=MOMENT, help="Published before that.")
@click.option("--limit", type=click.IntRange(1, 1000), default=PAGE, help="Files to show: 100.")
@click.option("--all", "everything", is_flag=True, help="All files, however many.")
@click.option("--after", metavar="CURSOR", default="", help="Go on where a listing ended.")
@click.option("--long", "-l", is_flag=True, help="Ids, too, each below its file.")
@connected
def ls(  # noqa: PLR0913  # its options
    namespace: str | None,
    since: timedelta | datetime | None,
    until: timedelta | datetime | None,
    limit: int,
    after: str,
    *,
    expired: bool,
    deleted: bool,
    everything: bool,
    long: bool,
) -> None:
    """List files of NAMESPACE, or of all, the newest first."""
    if expired and deleted:
        raise InvalidRequestError("--expired and --deleted are two lists: ask for one")
    status = FileStatus.LIVE
    if expired or deleted:
        status = FileStatus.EXPIRED if expired else FileStatus.DELETED
    cursor = cursor_of(after)
    from_, to = moment_of(since), moment_of(until)

    async def body(client: "Client") -> FilePage:
        files: list[FileInfo] = []
        place: bytes | None = cursor
        while place is not None and (everything or len(files) < limit):
            page = await client.list(
                namespace or "",
                status=status,
                since=from_,
                until=to,
                limit=0 if everything else limit - len(files),
                cursor=place,
            )
            files += page.files
            place = page.next
        return FilePage(tuple(files), place)

    at = state()
    page = converse(at, body)
    at.document({"files": [document(file) for file in page.files], "next": plain(page.next)})
    _show(at, page.files, namespace, status, long=long)
    if page.next is not None:
        at.note(f"there are more: --all shows them, --after {page.next.hex()} the next ones")


def _show(
    at: State,
    files: Sequence[FileInfo],
    namespace: str | None,
    status: FileStatus,
    *,
    long: bool,
) -> None:
    if at.json:
        return
    if not files:
        where = f" in {namespace}" if namespace else ""
        at.note(f"no {'' if status is FileStatus.LIVE else status.name.lower() + ' '}files{where}")
        return
    time = now()
    columns = (
        Column("NAME", elastic=True),
        Column("SIZE", right=True),
        Column("HEALTH"),
        Column("PUBLISHED"),
        Column("EXPIRES" if status is FileStatus.LIVE else "GONE"),
    )
    rows = [
        [
            file.name if namespace else file.ref,
            words.size(file.size),
            file.health.name.lower() if file.health else "-",
            words.relative(file.published, time),
            words.relative(file.expiry if status is FileStatus.LIVE else file.gone, time),
        ]
        for file in files
    ]
    show(at, columns, rows, [f"  {file.file.hex()}" for file in files] if long else ())


@click.command(short_help="Show what every namespace takes.")
@connected
def usage() -> None:
    """Show how many files every namespace has, and what they take on all nodes."""
    at = state()
    found = converse(at, lambda client: client.usage())
    total = {
        key: sum(getattr(each, key) for each in found)
        for key in ("files", "size", "stored", "expired")
    }
    at.document({"namespaces": [document(each) for each in found], "total": total})
    if at.json:
        return
    if not found:
        at.note("no namespaces: make one with: xdb-cli ns create NAME")
        return
    rows = [
        [each.namespace, *_amounts(each.files, each.size, each.stored, each.expired)]
        for each in found
    ]
    if len(found) > 1:
        rows.append(["total", *_amounts(*total.values())])
    columns = [
        Column("NAMESPACE", elastic=True),
        *(Column(title, right=True) for title in ("FILES", "SIZE", "STORED", "EXPIRED")),
    ]
    show(at, columns, rows)


def _amounts(files: int, size: int, stored: int, expired: int) -> list[str]:
    return [f"{files:,}", words.size(size), words.size(stored), f"{expired:,}"]


def moment_of(when: timedelta | datetime | None) -> datetime | None:
    """The moment that an option names, perhaps by how long ago it was."""
    if isinstance(when, timedelta):
        return datetime.fromtimestamp(now(), UTC) - when
    return when


def cursor_of(text: str) -> bytes:
    """Where a listing goes on, as the one before wrote it."""
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise InvalidRequestError(
            f"{text[:80]!r} is no cursor: use the one that the listing before ended with"
        ) from error
