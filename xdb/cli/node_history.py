"""`xdb-cli nodes history`."""

from typing import TYPE_CHECKING

import click

from xdb.cli import words
from xdb.cli.documents import document
from xdb.cli.node import named
from xdb.cli.session import converse
from xdb.cli.state import connected, state
from xdb.cli.table import Column, show
from xdb.client.history_records import NodeDay

if TYPE_CHECKING:
    from xdb.client import Client

_COLUMNS = (
    Column("DAY (UTC)"),
    Column("HEARTBEATS", right=True),
    Column("EXPECTED", right=True),
    Column("SHARE", right=True),
    Column("PROVED", right=True),
    Column("FAILED", right=True),
    Column("MISSED", right=True),
    Column("VOID", right=True),
)


@click.command(short_help="Heartbeats and audits of a node by day.")
@click.argument("node")
@click.option("--days", type=click.IntRange(1, 366), default=7, help="How many days: 7.")
@connected
def history(node: str, days: int) -> None:
    """Show how many heartbeats and proofs NODE gave, day by day, and how many were due.

    NODE is its id, the beginning of that, or its address. Days are days in UTC.
    """
    at = state()

    async def body(client: "Client") -> tuple[NodeDay, ...]:
        return await client.health.days(await named(client, node), days)

    found = converse(at, body)
    at.document({"days": [document(day) for day in found]})
    if at.json:
        return
    if not found:
        at.note("the chain has not seen this node yet")
        return
    rows = [[words.day(day.start), *_counts(day)] for day in found]
    if len(found) > 1:
        rows.append(["total", *_counts(_total(found))])
    show(at, _COLUMNS, rows)
    possible = _total(found).possible
    at.say(f"A node that never misses one has given {words.plural(possible, 'heartbeat')} by now.")


def _counts(day: NodeDay) -> list[str]:
    seen = min(day.heartbeats, day.expected)
    share = f"{seen / day.expected:.0%}" if day.expected else "-"
    audits = (day.proved, day.failed, day.missed, day.void)
    return [f"{day.heartbeats:,}", f"{day.expected:,}", share, *(f"{each:,}" for each in audits)]


def _total(days: tuple[NodeDay, ...]) -> NodeDay:
    return NodeDay(
        start=days[-1].start,
        heartbeats=sum(day.heartbeats for day in days),
        expected=sum(day.expected for day in days),
        proved=sum(day.proved for day in days),
        failed=sum(day.failed for day in days),
        missed=sum(day.missed for day in days),
        void=sum(day.void for day in days),
        possible=sum(day.possible for day in days),
    )
