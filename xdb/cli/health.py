"""`xdb-cli health` and `xdb-cli nodes health`."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from xdb.cli.documents import document, plain
from xdb.cli.exits import Exit
from xdb.cli.health_words import changes, file_view, namespace_view, node_view, system_view
from xdb.cli.listing import moment_of
from xdb.cli.node import named
from xdb.cli.parsing import MOMENT
from xdb.cli.session import converse, now
from xdb.cli.state import connected, state
from xdb.client.health_records import (
    FileHealth,
    HealthEvent,
    HealthKind,
    NamespaceHealth,
    NodeHealth,
    SystemHealth,
)
from xdb.client.records import Health
from xdb.errors import InvalidRequestError

if TYPE_CHECKING:
    from xdb.client import Client

CHANGES, EVENTS = 5, 50
"""Changes that are shown below the rest, and those of --events."""

Found = SystemHealth | NodeHealth | FileHealth | NamespaceHealth


@dataclass(frozen=True, slots=True)
class _About:
    """Whose health is asked for; of everything when nothing is named."""

    node: str | None = None
    file: str | None = None
    namespace: str | None = None

    async def look(self, client: "Client") -> tuple[Found, HealthKind | None, bytes]:
        """Its health, and what its changes are kept under."""
        if self.node is not None:
            node = await client.health.node(await named(client, self.node))
            return node, HealthKind.NODE, node.node
        if self.file is not None:
            file = await client.health.file(self.file)
            return file, HealthKind.FILE, file.file
        if self.namespace is not None:
            found = await client.health.namespace(self.namespace)
            return found, HealthKind.NAMESPACE, found.namespace
        return await client.health.system(), None, b""


@click.command(short_help="How files and nodes are doing, and what to do.")
@click.option("--node", metavar="NODE", help="Of one node: its id or address.")
@click.option("--file", metavar="FILE", help="Of one file.")
@click.option("--namespace", metavar="NAME", help="Of one namespace.")
@click.option("--events", is_flag=True, help="Changes of colour only.")
@click.option("--since", type=MOMENT, help="Changes then or later: 7d, 2027-01-31.")
@click.option("--limit", type=click.IntRange(0, 10_000), help="Changes to show: 5, --events 50.")
@click.option("--check", is_flag=True, help="Exit code 12 when it is red or lost.")
@connected
def health(  # noqa: PLR0913  # its options
    node: str | None,
    file: str | None,
    namespace: str | None,
    since: timedelta | datetime | None,
    limit: int | None,
    *,
    events: bool,
    check: bool,
) -> Exit:
    """Show how files and nodes are doing: colours, causes, what to do, the newest changes.

    Of everything, or of one node, file or namespace. The exit code is 0 whatever the
    colour, unless --check is given.
    """
    if sum(name is not None for name in (node, file, namespace)) > 1:
        raise InvalidRequestError("--node, --file and --namespace: give one of them")
    if events and check:
        raise InvalidRequestError("--events shows no colour for --check: leave one of them out")
    return _tell(_About(node, file, namespace), since, limit, events=events, check=check)


@click.command("health", short_help="A node's score, and what speaks against it.")
@click.argument("node")
@click.option("--check", is_flag=True, help="Exit code 12 when it is red.")
@connected
def node_health(node: str, *, check: bool) -> Exit:
    """Show the health of NODE: its id, the beginning of that, or its address."""
    return _tell(_About(node=node), None, None, events=False, check=check)


def _tell(
    about: _About,
    since: timedelta | datetime | None,
    limit: int | None,
    *,
    events: bool,
    check: bool,
) -> Exit:
    at, time = state(), now()
    most = (EVENTS if events else CHANGES) if limit is None else limit
    start = moment_of(since)

    async def body(client: "Client") -> tuple[Found | None, list[HealthEvent]]:
        if events and about == _About():  # which can be told before the first look
            return None, await _newest(client, None, b"", start, most)
        found, kind, id_ = await about.look(client)
        return found, await _newest(client, kind, id_, start, most)

    found, newest = converse(at, body)
    if events:
        at.document({"events": plain(newest)})
        if not newest:
            at.note("no changes of colour")
        changes(at, newest, time, title=False)
        return Exit.OK
    if found is None:
        raise TypeError("no health")
    at.document({**document(found), "events": plain(newest)})
    _show(found, time)
    changes(at, newest, time, title=True)
    colour = found.standing.colour if found.standing else Health.GREEN
    return Exit.ALARM if check and colour >= Health.RED else Exit.OK


def _show(found: Found, time: float) -> None:
    at = state()
    match found:
        case SystemHealth():
            system_view(at, found, time)
        case NodeHealth():
            node_view(at, found, time)
        case FileHealth():
            file_view(at, found, time)
        case NamespaceHealth():
            namespace_view(at, found, time)


async def _newest(
    client: "Client", kind: HealthKind | None, id_: bytes, since: datetime | None, most: int
) -> list[HealthEvent]:
    found: list[HealthEvent] = []
    if not most:
        return found
    async for event in client.health.events(kind, id_, since=since, limit=min(most, 1000)):
        found.append(event)
        if len(found) == most:
            break
    return found
