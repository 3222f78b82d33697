"""`xdb-cli verify`."""

from contextlib import aclosing
from typing import TYPE_CHECKING

import click

from xdb.cli import words
from xdb.cli.documents import document
from xdb.cli.exits import Exit
from xdb.cli.progress import display, verifying
from xdb.cli.session import converse
from xdb.cli.state import connected, state
from xdb.cli.table import Column, show

if TYPE_CHECKING:
    from xdb.client import Client, ReplicaCheck

_BAD = (
    Column("SLOT", right=True),
    Column("PIECE", right=True),
    Column("NODE"),
    Column("PROBLEM", elastic=True),
)


@click.command(short_help="Read every replica back and compare it.")
@click.argument("file", metavar="FILE")
@connected
def verify(file: str) -> int:
    """Have every replica of FILE read back and compared with what the chain says.

    Exit code 7 when one is missing, damaged, or its node does not answer.
    """
    at = state()
    checks: list[ReplicaCheck] = []
    with display(at) as shown:
        show_progress = verifying(shown, file)

        async def body(client: "Client") -> None:
            async with aclosing(client.verify(file)) as found:
                async for check in found:
                    checks.append(check)
                    at.document(document(check))
                    show_progress(check)

        converse(at, body)
    bad = [check for check in checks if not check.good]
    at.document({"checked": len(checks), "good": len(checks) - len(bad), "bad": len(bad)})
    nodes = words.plural(len({check.node for check in checks}), "node")
    replicas = words.plural(len(checks), "replica")
    if not bad:
        at.say(f"{words.printable(file)}: {replicas} on {nodes}, all good")
        return Exit.OK
    at.say(f"{words.printable(file)}: {len(bad):,} of {replicas} on {nodes} not good")
    rows = [
        [str(check.slot), str(check.piece), words.short(check.node), check.problem] for check in bad
    ]
    show(at, _BAD, rows)
    return Exit.INTEGRITY
