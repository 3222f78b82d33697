"""MigrationService: what repair did, would do, and doing it now."""

from dataclasses import dataclass

from xdb.core.migration import Deferred, Step, describe
from xdb.core.wire import to_message
from xdb.index.paging import MOST
from xdb.pb import owner_pb2
from xdb.rpc import history_messages
from xdb.rpc.clients import Clients
from xdb.rpc.edge import Context, Method
from xdb.rpc.fields import node_id
from xdb.rpc.server import Service, service_of, unary
from xdb.services.history import History
from xdb.tasks.migrator import MigratorTask

NAME = "xdb.v1.MigrationService"
PAGE = 100
MOST_DEFERRED = 1000
"""Waiting slots that are named; of more there is only the number."""


@dataclass(frozen=True, slots=True)
class MigrationServicer:
    """Hands requests to the owner's planner and migrator."""

    migrator: MigratorTask
    history: History
    clients: Clients

    async def list_migrations(
        self, request: owner_pb2.ListMigrationsRequest, _context: Context
    ) -> owner_pb2.ListMigrationsReply:
        """A page of migrations, the newest first."""
        self.clients.check()
        since: int = getattr(request, "from")  # a keyword here and a field there
        page = self.history.migrations(
            node_id(request.node) if request.node else None,
            since=since,
            until=request.until or None,
            after=request.cursor,
            limit=min(request.limit or PAGE, MOST),
        )
        return owner_pb2.ListMigrationsReply(
            migrations=[history_messages.migration(self.history, view) for view in page.items],
            next=page.next,
        )

    async def plan(self, _request: owner_pb2.PlanRequest, _context: Context) -> owner_pb2.PlanReply:
        """What a cycle would do now."""
        self.clients.check()
        plan = await self.migrator.planner.plan()
        return owner_pb2.PlanReply(
            steps=[_step(step) for step in plan.steps],
            deferred=[_deferred(each) for each in plan.deferred[:MOST_DEFERRED]],
            waiting=len(plan.deferred),
        )

    async def run(
        self, _request: owner_pb2.RunMigrationRequest, _context: Context
    ) -> owner_pb2.MigrationReport:
        """One cycle now."""
        self.clients.check()
        return to_message(await self.migrator.run_once(), owner_pb2.MigrationReport)


def _step(step: Step) -> owner_pb2.PlannedStep:
    return owner_pb2.PlannedStep(
        action=step.action.name.lower(),
        file=step.file,
        slot=step.slot,
        source=step.source or b"",
        target=step.target,
        size=step.size,
        sentence=describe(step),
    )


def _deferred(deferred: Deferred) -> owner_pb2.DeferredSlot:
    return owner_pb2.DeferredSlot(
        file=deferred.file,
        slot=deferred.slot,
        hold=deferred.hold.name.lower(),
        sentence=describe(deferred),
    )


def migration_service(migrator: MigratorTask, history: History, clients: Clients) -> Service:
    """The service of an owner node."""
    servicer = MigrationServicer(migrator, history, clients)
    handlers = {
        "List": unary(servicer.list_migrations, owner_pb2.ListMigrationsRequest),
        "Plan": unary(servicer.plan, owner_pb2.PlanRequest),
        "Run": unary(servicer.run, owner_pb2.RunMigrationRequest),
    }
    # a plan looks at all files, a cycle takes as long as the bytes need that it moves
    return service_of(NAME, handlers, dict.fromkeys(handlers, Method("bulk", endless=True)))
