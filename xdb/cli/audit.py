"""`xdb-cli audits list` and `audits show`."""

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
from xdb.cli.table import Column, fields, show
from xdb.client.history_records import AuditCounts, AuditFilter, AuditInfo, AuditPage
from xdb.model.health import Verdict

if TYPE_CHECKING:
    from xdb.client import Client

PAGE = 100

_COLUMNS = (
    Column("EPOCH", right=True),
    Column("NODE"),
    Column("ADDRESS", elastic=True),
    Column("VERDICT"),
    Column("WHEN"),
    Column("LOST", right=True),
)


@click.command("list", short_help="List what epochs said of nodes.")
@click.option("--node", metavar="NODE", help="Of this node only.")
@click.option("--file", "ref", metavar="FILE", help="Of nodes that hold FILE, since they hold it.")
@click.option(
    "--verdict",
    type=click.Choice([verdict.name.lower() for verdict in Verdict]),
    help="With this verdict only.",
)
@click.option("--since", type=MOMENT, help="Of epochs that began then or later: 7d, 2027-01-31.")
@click.option("--until", type=MOMENT, help="Of epochs that began before that.")
@click.option(
    "--all", "--everybody", "everybody", is_flag=True, help="Also of nodes without files of yours."
)
@click.option("--count", is_flag=True, help="Only how many there are of each verdict.")
@click.option("--limit", type=click.IntRange(1, 1000), default=PAGE, help="Audits to show: 100.")
@click.option("--after", metavar="CURSOR", default="", help="Go on where a listing ended.")
@connected
def list_(  # noqa: PLR0913, PLR0917  # its options
    node: str | None,
    ref: str | None,
    verdict: str | None,
    since: timedelta | datetime | None,
    until: timedelta | datetime | None,
    limit: int,
    after: str,
    *,
    everybody: bool,
    count: bool,
) -> None:
    """List audits of nodes that hold your files, the newest first.

    Proved: the node showed all that was asked for. Failed: it admitted a loss. Missed: it gave
    no proof in time. Void: more than half missed, which says nothing about anybody.
    """
    at, place = state(), cursor_of(after)

    async def body(client: "Client") -> AuditPage | AuditCounts:
        wanted = AuditFilter(
            verdict=Verdict[verdict.upper()] if verdict else None,
            node=None if node is None else await named(client, node),
            file=ref,
            everybody=everybody,
            since=moment_of(since),
            until=moment_of(until),
        )
        if count:
            return await client.audits.count(wanted)
        page = await client.audits.list(wanted, limit=limit, cursor=place)
        found, cursor = [*page.audits], page.next
        while cursor is not None and len(found) < limit:
            page = await client.audits.list(wanted, limit=limit - len(found), cursor=cursor)
            found += page.audits
            cursor = page.next
        return AuditPage(tuple(found), cursor, page.epoch_length)

    answer = converse(at, body)
    if isinstance(answer, AuditCounts):
        _show_counts(at, answer)
    else:
        _show_page(at, answer, narrowed=any((node, ref, verdict, since, until, after)))


def _show_counts(at: State, counts: AuditCounts) -> None:
    at.document(document(counts))
    if at.json:
        return
    fields(
        at,
        [
            (verdict.name.lower(), f"{getattr(counts, verdict.name.lower()):,}")
            for verdict in Verdict
        ],
    )


def _show_page(at: State, page: AuditPage, *, narrowed: bool) -> None:
    at.document({"audits": [document(each) for each in page.audits], "next": plain(page.next)})
    if at.json:
        return
    if not page.audits:
        length = words.span(page.epoch_length.total_seconds())
        at.note(
            "no such audits"
            if narrowed
            else f"no audits yet: what is stored in one epoch is asked for from the second one "
            f"after it on, and epochs of this network take {length}"
        )
        return
    time = now()
    rows = [
        [
            str(each.epoch),
            words.short(each.node),
            each.address,
            _verdict(each),
            words.relative(each.time, time),
            str(len(each.lost)) if each.lost else "",
        ]
        for each in page.audits
    ]
    show(at, _COLUMNS, rows)
    if page.next is not None:
        at.note(f"there are more: --after {page.next.hex()} shows the next ones")


@click.command("show", short_help="Show one audit.")
@click.argument("audit")
@connected
def show_(audit: str) -> None:
    """Show AUDIT: an epoch and a node's id, such as 17-83a788c4e1d368ce383970a7860e2d0849390c8c."""
    at = state()
    found = converse(at, lambda client: client.audits.show(audit))
    at.document(document(found))
    if at.json:
        return
    time = now()
    at.say(click.style(f"audit {found.id}", bold=True))
    lost = [f"slot {each.slot} of {each.name or each.file.hex()}" for each in found.lost]
    fields(
        at,
        [
            ("epoch", f"{found.epoch}, begun {words.spelled(found.starts, time)}"),
            ("node", found.node.hex()),
            ("address", found.address),
            ("verdict", _verdict(found)),
            (
                "so far",
                "the epoch still asks: it is judged when the next seed appears"
                if found.open
                else "",
            ),
            ("answered", words.spelled(found.time, time) if _has_answered(found) else "no"),
            ("lost", ", ".join(lost)),
            ("seed", found.seed.hex() if found.seed else ""),
        ],
    )


def _has_answered(audit: AuditInfo) -> bool:
    return audit.verdict in {Verdict.PROVED, Verdict.FAILED}


def _verdict(audit: AuditInfo) -> str:
    if audit.verdict is None:
        return "open"
    return audit.verdict.name.lower() + (", so far" if audit.open else "")
