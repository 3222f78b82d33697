"""`xdb-cli nodes`."""

from typing import TYPE_CHECKING

import click

from xdb.cli import words
from xdb.cli.documents import document
from xdb.cli.lazy import LazyGroup, Verb
from xdb.cli.session import converse, now
from xdb.cli.state import connected, state
from xdb.cli.table import Column, fields, show
from xdb.client.records import NodeInfo
from xdb.errors import InvalidRequestError, NotFoundError
from xdb.model.ids import NodeId

if TYPE_CHECKING:
    from xdb.client import Client

VERBS = {
    "list": Verb("xdb.cli.node:list_", "List storage nodes."),
    "info": Verb("xdb.cli.node:info", "Ask one node how it is."),
    "health": Verb("xdb.cli.health:node_health", "A node's score, and what speaks against it."),
    "tasks": Verb("xdb.cli.node_tasks:tasks", "How periodic tasks are doing."),
    "history": Verb("xdb.cli.node_history:history", "Heartbeats and audits of a node by day."),
    "drain": Verb("xdb.cli.operating:drain", "Let a node's holdings move away."),
    "online": Verb("xdb.cli.operating:online", "Let a node take files again."),
    "offline": Verb("xdb.cli.operating:offline", "Say that a node is away for a while."),
    "leave": Verb("xdb.cli.operating:leave", "Take a node out of the network for good."),
    "resign": Verb("xdb.cli.operating:resign", "Give notice that a node will leave."),
}

_COLUMNS = (
    Column("NODE"),
    Column("ADDRESS", elastic=True),
    Column("OPERATOR", elastic=True),
    Column("STATE"),
    Column("HEALTH"),
    Column("STORED", right=True),
    Column("CAPACITY", right=True),
    Column("SILENT", right=True),
)


@click.command(
    cls=LazyGroup, verbs=VERBS, short_help="Storage nodes: list, info, health, tasks, drain."
)
def nodes() -> None:
    """Storage nodes."""


@click.command("list", short_help="List storage nodes.")
@connected
def list_() -> None:
    """List all storage nodes as the chain knows them; none of them is asked."""
    at = state()

    async def body(client: "Client") -> list[NodeInfo]:
        return [node async for node in client.nodes.list()]

    found = converse(at, body)
    at.document({"nodes": [document(node) for node in found]})
    if at.json:
        return
    if not found:
        at.note("no storage nodes are registered")
        return
    time = now()
    rows = [
        [
            words.short(node.node),
            node.address,
            node.operator or "-",
            node.state.name.lower(),
            node.health.name.lower() if node.health else "-",
            words.size(node.stored),
            words.size(node.capacity),
            words.since(node.last_heartbeat, time),
        ]
        for node in found
    ]
    show(at, _COLUMNS, rows)


@click.command(short_help="Ask one node how it is.")
@click.argument("node")
@connected
def info(node: str) -> None:
    """Show NODE and ask it how it is. NODE is its id, the beginning of that, or its address."""
    at = state()

    async def body(client: "Client") -> NodeInfo:
        return await client.nodes.info(await named(client, node))

    found = converse(at, body)
    at.document(document(found))
    if at.json:
        return
    time = now()
    at.say(click.style(f"node {found.node.hex()}", bold=True))
    fields(
        at,
        [
            ("address", found.address),
            ("operator", found.operator),
            ("zone", found.zone),
            ("state", found.state.name.lower()),
            ("health", found.health.name.lower() if found.health else ""),
            ("answers", "yes" if found.reachable else "no"),
            ("problem", found.problem),
            ("stored", f"{words.size(found.stored)} in {words.plural(found.holdings, 'holding')}"),
            ("capacity", words.size(found.capacity)),
            ("free", words.size(found.free) if found.reachable and found.free is not None else ""),
            ("heartbeat", words.spelled(found.last_heartbeat, time)),
            ("registered", words.spelled(found.registered, time)),
            ("signer", found.signer.hex()),
        ],
    )


async def named(client: "Client", text: str) -> NodeId:
    """The node that `text` means: its id, the beginning of that, or its address."""
    found = [each.node async for each in client.nodes.list() if _is(each, text)]
    if not found:
        raise NotFoundError(f"there is no node {text}: `xdb-cli nodes list` shows all of them")
    if len(found) > 1:
        raise InvalidRequestError(f"{text} is more than one node: give more digits of its id")
    return found[0]


def _is(node: NodeInfo, text: str) -> bool:
    shortest = 4
    digits = text.lower().removeprefix("0x")
    begins = len(digits) >= shortest and node.node.hex().startswith(digits)
    return begins or text == node.address
