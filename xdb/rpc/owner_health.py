"""HealthService: colours of an owner's files, namespaces and nodes, with causes and remedies."""

from collections.abc import Iterable
from dataclasses import dataclass

from xdb.core.wire import to_message
from xdb.errors import InvalidRequestError
from xdb.index.paging import MOST
from xdb.model.health import Change, Kind, Standing, Trigger
from xdb.pb import owner_pb2, registry_pb2
from xdb.rpc import owner_messages
from xdb.rpc.clients import Clients
from xdb.rpc.edge import Context
from xdb.rpc.fields import node_id
from xdb.rpc.server import Service, service_of, unary
from xdb.services.health.overview import FileOverview, HealthOverview, NodeOverview

NAME = "xdb.v1.HealthService"
_PAGE = 100


@dataclass(frozen=True, slots=True)
class HealthServicer:
    """Hands requests to the owner's overview."""

    overview: HealthOverview
    clients: Clients

    async def system(
        self, _request: owner_pb2.SystemRequest, _context: Context
    ) -> owner_pb2.SystemHealth:
        """Everything, as the last look found it."""
        self.clients.check()
        return to_message(self.overview.system(), owner_pb2.SystemHealth)

    async def namespace(
        self, request: owner_pb2.NamespaceRef, _context: Context
    ) -> owner_pb2.NamespaceHealth:
        """A namespace, as the last look found it."""
        self.clients.check()
        view = self.overview.catalog.namespace(request.name)
        return to_message(self.overview.namespace(view), owner_pb2.NamespaceHealth)

    async def node(self, request: owner_pb2.NodeRef, _context: Context) -> owner_pb2.NodeHealth:
        """A node now."""
        self.clients.check()
        node = node_id(request.node)
        return _node(self.overview.node(node))

    async def file(self, request: owner_pb2.FileRef, _context: Context) -> owner_pb2.FileHealth:
        """A file now."""
        self.clients.check()
        view = self.overview.catalog.find(owner_messages.file_ref(request))
        return self._file(self.overview.file(view))

    async def events(
        self, request: owner_pb2.HealthEventsRequest, _context: Context
    ) -> owner_pb2.HealthEventsReply:
        """A page of changes, the newest first."""
        self.clients.check()
        # `from` is a keyword here and a field there
        since: int = getattr(request, "from")
        page = self.overview.changes(
            _kind(request.kind),
            request.id,
            since=since,
            until=request.until or None,
            after=request.cursor,
            limit=min(request.limit or _PAGE, MOST),
        )
        return owner_pb2.HealthEventsReply(
            events=[self._event(change) for change in page.items], next=page.next
        )

    def _file(self, found: FileOverview) -> owner_pb2.FileHealth:
        details = self.overview.catalog.details(found.view)
        return owner_pb2.FileHealth(
            file=found.view.record.file,
            namespace=details.namespace,
            name=details.label.name,
            standing=to_message(found.standing, owner_pb2.Standing),
            since=found.since,
            as_of=found.as_of,
            good=found.good,
            wanted=found.wanted,
            required=found.required,
            slots=[
                owner_pb2.SlotHealth(
                    slot=slot.health.holding.slot,
                    node=slot.health.holding.node,
                    address=slot.address,
                    good=slot.health.is_good,
                    triggers=_triggers(slot.triggers),
                )
                for slot in found.slots
            ],
        )

    def _event(self, change: Change) -> owner_pb2.HealthEvent:
        return owner_pb2.HealthEvent(
            time=change.time,
            kind=owner_pb2.HealthKind.ValueType(change.subject.kind),
            id=change.subject.id,
            name=self.overview.name(change.subject),
            before=owner_messages.health(change.before),
            after=owner_messages.health(change.after),
            cause=change.cause,
            remedy=change.remedy,
        )


def _node(found: NodeOverview) -> owner_pb2.NodeHealth:
    condition, probe = found.condition, found.probe
    record, health = condition.view.record, condition.health
    message = owner_pb2.NodeHealth(
        node=record.node,
        address=record.endpoint.address,
        state=registry_pb2.NodeState.ValueType(record.state),
        since=found.since,
        as_of=found.as_of,
        score=health.score,
        proved=health.tally.proved,
        failed=health.tally.failed,
        missed=health.tally.missed,
        heartbeats=health.heartbeats,
        expected=health.expected,
        triggers=_triggers(condition.triggers),
        standing=_standing(found.standing),
    )
    if probe is not None:
        message.probed, message.answered, message.probe = probe.time, probe.answered, probe.text
    return message


def _standing(standing: Standing | None) -> owner_pb2.Standing | None:
    return None if standing is None else to_message(standing, owner_pb2.Standing)


def _triggers(triggers: Iterable[Trigger]) -> list[owner_pb2.HealthTrigger]:
    return [
        owner_pb2.HealthTrigger(
            reason=trigger.reason.name.lower(), since=trigger.since, sentence=trigger.sentence
        )
        for trigger in triggers
    ]


def _kind(number: int) -> Kind | None:
    try:
        return Kind(number) if number else None
    except ValueError as error:
        raise InvalidRequestError(f"nothing of kind {number} has health") from error


def health_service(overview: HealthOverview, clients: Clients) -> Service:
    """The service of an owner node."""
    servicer = HealthServicer(overview, clients)
    handlers = {
        "System": unary(servicer.system, owner_pb2.SystemRequest),
        "Namespace": unary(servicer.namespace, owner_pb2.NamespaceRef),
        "Node": unary(servicer.node, owner_pb2.NodeRef),
        "File": unary(servicer.file, owner_pb2.FileRef),
        "Events": unary(servicer.events, owner_pb2.HealthEventsRequest),
    }
    return service_of(NAME, handlers, {})
