"""Health, repair and probes for the blocking client."""

from collections.abc import Iterator
from datetime import datetime

from xdb.client import client as asynchronous
from xdb.client.health_records import (
    AuditReport,
    FileHealth,
    HealthEvent,
    HealthKind,
    MigrationReport,
    NamespaceHealth,
    NodeHealth,
    Plan,
    SystemHealth,
)
from xdb.client.loop import Loop
from xdb.client.refs import Ref


class HealthOf:
    """`Client.health`."""

    def __init__(self, client: asynchronous.Client, loop: Loop) -> None:
        self._health = client.health
        self._loop = loop

    def system(self) -> SystemHealth:
        """See `xdb.client.health.HealthOf.system`."""
        return self._loop.run(self._health.system())

    def namespace(self, name: str) -> NamespaceHealth:
        """See `xdb.client.health.HealthOf.namespace`."""
        return self._loop.run(self._health.namespace(name))

    def node(self, node: bytes) -> NodeHealth:
        """See `xdb.client.health.HealthOf.node`."""
        return self._loop.run(self._health.node(node))

    def file(self, ref: Ref) -> FileHealth:
        """See `xdb.client.health.HealthOf.file`."""
        return self._loop.run(self._health.file(ref))

    def events(  # what a list may be narrowed by
        self,
        kind: HealthKind | None = None,
        subject: bytes = b"",
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 0,
    ) -> Iterator[HealthEvent]:
        """See `xdb.client.health.HealthOf.events`."""
        return self._loop.iterate(
            self._health.events(kind, subject, since=since, until=until, limit=limit)
        )


class Migrations:
    """`Client.migrations`."""

    def __init__(self, client: asynchronous.Client, loop: Loop) -> None:
        self._migrations = client.migrations
        self._loop = loop

    def plan(self) -> Plan:
        """See `xdb.client.health.Migrations.plan`."""
        return self._loop.run(self._migrations.plan())

    def run(self) -> MigrationReport:
        """See `xdb.client.health.Migrations.run`."""
        return self._loop.run(self._migrations.run())


class Audits:
    """`Client.audits`."""

    def __init__(self, client: asynchronous.Client, loop: Loop) -> None:
        self._audits = client.audits
        self._loop = loop

    def run(self, node: bytes | None = None) -> AuditReport:
        """See `xdb.client.health.Audits.run`."""
        return self._loop.run(self._audits.run(node))
