"""`xdb-cli migrations list`."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from xdb.cli import words
from xdb.cli.documents import document, plain
from xdb.cli.listing import cursor_of, moment_of
from xdb.cli.node import named
from xdb.cli.parsing import MOMENT
from xdb.cli.session import converse, now
from xdb.cli.state import State, connected, state
from xdb.cli.table import Column, show
from xdb.client.history_records import MigrationInfo, MigrationPage

if TYPE_CHECKING:
    from xdb.client import Client

PAGE = 100

_COLUMNS = (
    Column("WHEN"),
    Column("FILE", elastic=True),
    Column("SLOT", right=True),
    Column("FROM"),
    Column("TO"),
    Column("SIZE", right=True),
)


@click.command("list", short_help="List slots that changed hands.")
@click.option("--node", metavar="NODE", help="To or from this node only.")
@click.option("--since", type=MOMENT, help="Then or later: 7d, 2027-01-31.")
@click.option("--until", type=MOMENT, help="Before that.")
@click.option("--limit", type=click.IntRange(1, 1000), default=PAGE, help="How many: 100.")
@click.option("--after", metavar="CURSOR", default="", help="Go on where a listing ended.")
@connected
def list_(
    node: str | None,
    since: timedelta | datetime | None,
    until: timedelta | datetime | None,
    limit: int,
    after: str,
) -> None:
    """List slots that moved, were added or dropped, the newest first."""
    at, place = state(), cursor_of(after)

    async def body(client: "Client") -> MigrationPage:
        of = None if node is None else await named(client, node)
        found: list[MigrationInfo] = []
        cursor: bytes | None = place
        while cursor is not None and len(found) < limit:
            page = await client.migrations.list(
                of,
                since=moment_of(since),
                until=moment_of(until),
                limit=limit - len(found),
                cursor=cursor,
            )
            found += page.migrations
            cursor = page.next
        return MigrationPage(tuple(found), cursor)

    _show(at, converse(at, body), narrowed=any((node, since, until, after)))


def _show(at: State, page: MigrationPage, *, narrowed: bool) -> None:
    found = page.migrations
    at.document({"migrations": [document(each) for each in found], "next": plain(page.next)})
    if at.json:
        return
    if not found:
        at.note(
            f"no slot {'of those ' if narrowed else ''}has moved: repair moves them when it must"
        )
        return
    time = now()
    rows = [
        [
            words.relative(each.time, time),
            each.name or words.short(each.file),
            str(each.slot),
            words.short(each.source) if each.source else "added",
            words.short(each.target) if each.target else "dropped",
            words.size(each.size),
        ]
        for each in found
    ]
    show(at, _COLUMNS, rows)
    if page.next is not None:
        at.note(f"there are more: --after {page.next.hex()} shows the next ones")
