"""`xdb-cli nodes tasks`."""

from typing import TYPE_CHECKING

import click

from xdb.cli import words
from xdb.cli.documents import document
from xdb.cli.node import named
from xdb.cli.session import converse, now
from xdb.cli.state import connected, state, terminal_width
from xdb.cli.table import Column, show
from xdb.client.records import TaskInfo, TaskListing
from xdb.errors import InvalidRequestError

if TYPE_CHECKING:
    from xdb.client import Client

_SERVER = Column("SERVER")
_COLUMNS = (
    Column("TASK"),
    Column("EVERY", right=True),
    Column("LAST RUN", right=True),
    Column("RESULT", elastic=True),
    Column("NEXT RUN", right=True),
)


@click.command(short_help="How periodic tasks are doing.")
@click.argument("node", required=False)
@click.option("--chain", is_flag=True, help="Those of the chain servers.")
@connected
def tasks(node: str | None, *, chain: bool) -> None:
    """Show how the periodic tasks of a daemon are doing.

    Of the storage node NODE (its id, the beginning of that, or its address), of the chain
    servers with --chain, or else of the owner node itself.
    """
    at = state()
    if node is not None and chain:
        raise InvalidRequestError("a node's tasks or those of --chain: leave one of them out")

    async def body(client: "Client") -> TaskListing:
        if node is None:
            return await client.nodes.tasks(chain=chain)
        return await client.nodes.tasks(await named(client, node))

    found = converse(at, body)
    at.document(document(found))
    if at.json:
        return
    for problem in found.problems:
        at.fail(words.printable(problem))
    if not found.tasks:
        at.note("no periodic tasks run there")
        return
    time = now()
    begin = [_SERVER] if chain else []
    rows = [[task.server, *_row(task, time)] if chain else _row(task, time) for task in found.tasks]
    show(at, [*begin, *_COLUMNS], rows, [_error(task) for task in found.tasks])


def _row(task: TaskInfo, time: float) -> list[str]:
    return [
        task.name,
        words.span(task.every),
        words.relative(task.last_run, time),
        "failed" if task.last_error else task.last_report or "-",
        words.relative(task.next_run, time),
    ]


def _error(task: TaskInfo) -> str:
    if not task.last_error:
        return ""
    times = f"{words.plural(task.failures, 'failure')} in a row: " if task.failures > 1 else ""
    return words.wrapped(words.printable(f"{times}{task.last_error}"), terminal_width(), 4)
