"""Health, repair and probes of the owner's files and nodes, for its clients."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime

from xdb.client import health_messages as messages
from xdb.client import history_messages
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
from xdb.client.messages import seconds
from xdb.client.nodes import checked
from xdb.client.owner import AUDITS, HEALTH, MIGRATIONS, NODES, Owner
from xdb.client.refs import Ref, file_ref
from xdb.core.names import check_namespace_name
from xdb.pb import owner_pb2

ALL_MINE = AuditFilter()
"""Audits of all nodes that hold files of this owner."""
LONGEST = 86400.0
"""Seconds for what looks at all files or moves them: a cycle lasts as long as its bytes take."""


@dataclass(frozen=True, slots=True)
class HealthOf:
    """`Client.health`."""

    owner: Owner

    async def system(self) -> SystemHealth:
        """Everything, as the owner node's last look found it.

        UnavailableError before the first look since its start.
        """
        return await self.owner.ask(
            f"{HEALTH}System", owner_pb2.SystemRequest(), owner_pb2.SystemHealth, messages.system
        )

    async def namespace(self, name: str) -> NamespaceHealth:
        """A namespace, as the last look found it."""
        request = owner_pb2.NamespaceRef(name=check_namespace_name(name))
        return await self.owner.ask(
            f"{HEALTH}Namespace", request, owner_pb2.NamespaceHealth, messages.namespace
        )

    async def node(self, node: bytes) -> NodeHealth:
        """A node as it is now."""
        request = owner_pb2.NodeRef(node=checked(node))
        return await self.owner.ask(f"{HEALTH}Node", request, owner_pb2.NodeHealth, messages.node)

    async def days(self, node: bytes, days: int = 7) -> tuple[NodeDay, ...]:
        """Heartbeats and audits of a node by day, today first."""
        request = owner_pb2.NodeHistoryRequest(node=checked(node), days=days)
        return await self.owner.ask(
            f"{NODES}History", request, owner_pb2.NodeHistoryReply, history_messages.days
        )

    async def file(self, ref: Ref) -> FileHealth:
        """A file as it is now."""
        return await self.owner.ask(
            f"{HEALTH}File", file_ref(ref), owner_pb2.FileHealth, messages.file
        )

    async def events(
        self,
        kind: HealthKind | None = None,
        subject: bytes = b"",
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 0,
    ) -> AsyncGenerator[HealthEvent, None]:
        """All changes of colour, the newest first, about `limit` at a time."""
        cursor = b""
        while True:
            request = owner_pb2.HealthEventsRequest(
                kind=owner_pb2.HealthKind.ValueType(kind or 0),
                id=subject,
                until=seconds(until) if until else 0,
                limit=limit,
                cursor=cursor,
                **{"from": seconds(since) if since else 0},
            )
            page, cursor = await self.owner.ask(
                f"{HEALTH}Events", request, owner_pb2.HealthEventsReply, messages.events
            )
            for event in page:
                yield event
            if not cursor:
                return


@dataclass(frozen=True, slots=True)
class Migrations:
    """`Client.migrations`."""

    owner: Owner

    async def list(
        self,
        node: bytes | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 0,
        cursor: bytes = b"",
    ) -> MigrationPage:
        """Slots that changed hands, to or from `node` if one is named, the newest first."""
        request = owner_pb2.ListMigrationsRequest(
            node=b"" if node is None else checked(node),
            until=seconds(until) if until else 0,
            limit=limit,
            cursor=cursor,
            **{"from": seconds(since) if since else 0},
        )
        return await self.owner.ask(
            f"{MIGRATIONS}List", request, owner_pb2.ListMigrationsReply, history_messages.migrations
        )

    async def plan(self) -> Plan:
        """What repair would do now; nothing is done."""
        request = owner_pb2.PlanRequest()
        return await self.owner.tell(
            f"{MIGRATIONS}Plan", request, owner_pb2.PlanReply, messages.plan, LONGEST
        )

    async def run(self) -> MigrationReport:
        """One cycle of repair now; waits for one that runs already."""
        return await self.owner.tell(
            f"{MIGRATIONS}Run",
            owner_pb2.RunMigrationRequest(),
            owner_pb2.MigrationReport,
            messages.migration_report,
            LONGEST,
        )


@dataclass(frozen=True, slots=True)
class Audits:
    """`Client.audits`."""

    owner: Owner

    async def list(
        self, wanted: AuditFilter = ALL_MINE, *, limit: int = 0, cursor: bytes = b""
    ) -> AuditPage:
        """Audits, the newest first. A page may be short, or empty, and go on."""
        request = history_messages.wanted(wanted, limit, cursor)
        return await self.owner.ask(
            f"{AUDITS}List", request, owner_pb2.ListAuditsReply, history_messages.audits
        )

    async def count(self, wanted: AuditFilter = ALL_MINE) -> AuditCounts:
        """How many audits have which verdict; they are counted part by part."""
        total, cursor = AuditCounts(0, 0, 0, 0), b""
        while True:
            request = history_messages.wanted(wanted, cursor=cursor)
            part, cursor = await self.owner.ask(
                f"{AUDITS}Count", request, owner_pb2.AuditCounts, history_messages.counts
            )
            total = total + part
            if not cursor:
                return total

    async def show(self, audit: str) -> AuditInfo:
        """One audit by its id."""
        request = owner_pb2.ShowAuditRequest(id=audit)
        return await self.owner.ask(
            f"{AUDITS}Show", request, owner_pb2.AuditInfo, history_messages.audit
        )

    async def run(self, node: bytes | None = None) -> AuditReport:
        """One probe of every node now, or of one; waits for those that run already."""
        request = owner_pb2.RunAuditRequest(node=b"" if node is None else checked(node))
        return await self.owner.tell(
            f"{AUDITS}Run", request, owner_pb2.AuditReport, messages.audit_report, LONGEST
        )
