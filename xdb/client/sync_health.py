"""Health, repair and probes for the blocking client."""

from collections.abc import Iterator
from datetime import datetime

from xdb.client import client as asynchronous
from xdb.client.health import ALL_MINE
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
from xdb.client.history_records import (
    AuditCounts,
    AuditFilter,
    AuditInfo,
    AuditPage,
    MigrationPage,
    NodeDay,
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

    def days(self, node: bytes, days: int = 7) -> tuple[NodeDay, ...]:
        """See `xdb.client.health.HealthOf.days`."""
        return self._loop.run(self._health.days(node, days))

    def file(self, ref: Ref) -> FileHealth:
        """See `xdb.client.health.HealthOf.file`."""
        return self._loop.run(self._health.file(ref))

    def events(
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

    def list(
        self,
        node: bytes | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 0,
        cursor: bytes = b"",
    ) -> MigrationPage:
        """See `xdb.client.health.Migrations.list`."""
        listing = self._migrations.list(node, since=since, until=until, limit=limit, cursor=cursor)
        return self._loop.run(listing)

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

    def list(
        self, wanted: AuditFilter = ALL_MINE, *, limit: int = 0, cursor: bytes = b""
    ) -> AuditPage:
        """See `xdb.client.health.Audits.list`."""
        return self._loop.run(self._audits.list(wanted, limit=limit, cursor=cursor))

    def count(self, wanted: AuditFilter = ALL_MINE) -> AuditCounts:
        """See `xdb.client.health.Audits.count`."""
        return self._loop.run(self._audits.count(wanted))

    def show(self, audit: str) -> AuditInfo:
        """See `xdb.client.health.Audits.show`."""
        return self._loop.run(self._audits.show(audit))

    def run(self, node: bytes | None = None) -> AuditReport:
        """See `xdb.client.health.Audits.run`."""
        return self._loop.run(self._audits.run(node))
