"""`xdb-cli ns`."""

from typing import TYPE_CHECKING

import click

from xdb.cli import words
from xdb.cli.documents import document
from xdb.cli.lazy import LazyGroup, Verb
from xdb.cli.parsing import ERASURE
from xdb.cli.session import converse, now
from xdb.cli.state import State, connected, state
from xdb.cli.table import Column, fields, show
from xdb.client.records import NamespaceInfo
from xdb.errors import InvalidRequestError
from xdb.model.registry import Coding, Redundancy

if TYPE_CHECKING:
    from xdb.client import Client

COPIES = 3
VERBS = {
    "create": Verb("xdb.cli.namespace:create", "Make a namespace."),
    "update": Verb("xdb.cli.namespace:update", "Change a namespace's policy or description."),
    "list": Verb("xdb.cli.namespace:list_", "List namespaces."),
    "info": Verb("xdb.cli.namespace:info", "Show a namespace."),
}

_POLICY = (
    click.option("--copies", type=click.IntRange(1, 32), help="Full copies on as many nodes: 3."),
    click.option("--erasure", type=ERASURE, help="K pieces restore, M more may be lost: 4+2."),
)


@click.command(cls=LazyGroup, verbs=VERBS, short_help="Namespaces: create, update, list, info.")
def ns() -> None:
    """Namespaces: names for groups of files that are stored alike."""


@click.command(short_help="Make a namespace.")
@click.argument("name")
@_POLICY[0]
@_POLICY[1]
@click.option("--description", default="", help="Kept encrypted beside the name.")
@connected
def create(name: str, copies: int | None, erasure: Redundancy | None, description: str) -> None:
    """Make the namespace NAME; its files are stored on that many nodes."""
    policy = _policy(copies, erasure) or _copies(COPIES)
    made = converse(state(), lambda client: client.namespaces.create(name, policy, description))
    _tell(state(), made, "made")


@click.command(short_help="Change a namespace's policy or description.")
@click.argument("name")
@_POLICY[0]
@_POLICY[1]
@click.option("--description", help="Another description.")
@connected
def update(
    name: str, copies: int | None, erasure: Redundancy | None, description: str | None
) -> None:
    """Change NAME for files to come; files that are there stay as they are."""
    policy = _policy(copies, erasure)
    if policy is None and description is None:
        raise InvalidRequestError("nothing to change: give --copies, --erasure or --description")

    async def body(client: "Client") -> NamespaceInfo:
        return await client.namespaces.update(name, redundancy=policy, description=description)

    _tell(state(), converse(state(), body), "changed")


@click.command("list", short_help="List namespaces.")
@connected
def list_() -> None:
    """List all namespaces."""
    at = state()

    async def body(client: "Client") -> list[NamespaceInfo]:
        return [each async for each in client.namespaces.list()]

    found = converse(at, body)
    at.document({"namespaces": [document(each) for each in found]})
    if at.json:
        return
    if not found:
        at.note("no namespaces: make one with: xdb-cli ns create NAME")
        return
    time = now()
    columns = (
        Column("NAME", elastic=True),
        Column("POLICY"),
        Column("FILES", right=True),
        Column("SIZE", right=True),
        Column("EXPIRED", right=True),
        Column("MADE"),
    )
    rows = [
        [
            each.name,
            words.policy(each.redundancy),
            f"{each.files:,}",
            words.size(each.size),
            f"{each.expired:,}",
            words.relative(each.created, time),
        ]
        for each in found
    ]
    show(at, columns, rows)


@click.command(short_help="Show a namespace.")
@click.argument("name")
@connected
def info(name: str) -> None:
    """Show the namespace NAME, its files counted by health."""
    at = state()
    found = converse(at, lambda client: client.namespaces.info(name))
    at.document(document(found))
    if at.json:
        return
    at.say(click.style(words.printable(found.name), bold=True))
    health = ", ".join(f"{count:,} {colour}" for colour, count in found.colours.items() if count)
    fields(
        at,
        [
            ("description", found.description),
            ("policy", _explained(found.redundancy)),
            ("files", f"{found.files:,}"),
            ("size", words.exact_size(found.size)),
            ("health", health),
            ("expired", f"{found.expired:,} in retention" if found.expired else ""),
            ("made", words.spelled(found.created, now())),
            ("tag", found.namespace.hex()),
        ],
    )


def _tell(at: State, found: NamespaceInfo, what: str) -> None:
    at.document(document(found))
    at.say(f"namespace {words.printable(found.name)} {what}: {_explained(found.redundancy)}")


def _explained(policy: Redundancy) -> str:
    if policy.required == policy.total:
        return f"{words.policy(policy)}, no node may be lost"
    verb = "restores" if policy.required == 1 else "restore"
    return f"{words.policy(policy)}, any {policy.required} of {policy.total} nodes {verb} a file"


def _policy(copies: int | None, erasure: Redundancy | None) -> Redundancy | None:
    if copies is not None and erasure is not None:
        raise InvalidRequestError("--copies and --erasure are two policies: give one")
    return erasure if copies is None else _copies(copies)


def _copies(count: int) -> Redundancy:
    return Redundancy(Coding.COPIES, 1, count)
