"""`xdb-cli verify`."""

from contextlib import aclosing
from typing import TYPE_CHECKING

import click

from xdb.cli import words
from xdb.cli.documents import document
from xdb.cli.exits import Exit
from xdb.cli.progress import display, verifying
from xdb.cli.session import converse
from xdb.cli.state import connected, state, terminal_width

if TYPE_CHECKING:
    from xdb.client import Client, ReplicaCheck


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
    pieces: dict[tuple[int, bytes, str], list[int]] = {}
    for check in bad:
        pieces.setdefault((check.slot, check.node, check.problem), []).append(check.piece)
    for (slot, node, problem), numbers in pieces.items():
        at.say(f"  slot {slot}, node {words.short(node)}, pieces {words.numbers(numbers)}:")
        at.say(words.wrapped(words.printable(problem), terminal_width(), 4))
    return Exit.INTEGRITY
