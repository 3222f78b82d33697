"""Health, plans and probes of the owner node in memory: what a test says, or all is well."""

from typing import Any

from xdb.errors import NotFoundError
from xdb.pb import owner_pb2, registry_pb2
from xdb.testing.gateway_history import methods_of
from xdb.testing.gateway_state import World

METHODS: dict[str, dict[str, tuple[str, Any]]] = {
    "xdb.v1.HealthService": {
        "System": ("SystemHealth", owner_pb2.SystemRequest),
        "Namespace": ("NamespaceHealth", owner_pb2.NamespaceRef),
        "Node": ("NodeHealth", owner_pb2.NodeRef),
        "File": ("FileHealth", owner_pb2.FileRef),
        "Events": ("HealthEvents", owner_pb2.HealthEventsRequest),
    },
    "xdb.v1.MigrationService": {
        **methods_of("xdb.v1.MigrationService"),
        "Plan": ("Plan", owner_pb2.PlanRequest),
        "Run": ("RunMigration", owner_pb2.RunMigrationRequest),
    },
    "xdb.v1.AuditService": {
        **methods_of("xdb.v1.AuditService"),
        "Run": ("RunAudit", owner_pb2.RunAuditRequest),
    },
}
"""Names of requests by service and method."""

FINE = owner_pb2.Standing(
    colour=owner_pb2.HEALTH_GREEN, cause="all is well", remedy="nothing to do"
)


class CareAnswers:
    """Answers about a world in which all is well, but for what `replies` has for a request."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.replies: dict[str, Any] = {}
        self.events: list[owner_pb2.HealthEvent] = []
        self.audited: list[bytes] = []

    def knows(self, method: str) -> bool:
        """Whether it is about health, plans or probes."""
        return any(method == name for each in METHODS.values() for name, _ in each.values())

    def answer(self, method: str, request: Any) -> Any:  # noqa: ANN401  # messages
        """The answer to a request."""
        makers: dict[str, Any] = {
            "SystemHealth": self._system,
            "NamespaceHealth": self._namespace,
            "NodeHealth": self._node,
            "FileHealth": self._file,
            "HealthEvents": self._events,
            "Plan": lambda _: owner_pb2.PlanReply(),
            "RunMigration": lambda _: owner_pb2.MigrationReport(),
            "RunAudit": self._audit,
        }
        made = makers[method](request)
        return self.replies.get(method, made)

    def _counts(self) -> owner_pb2.HealthCounts:
        return owner_pb2.HealthCounts(green=len(self.world.files))

    def _system(self, _: owner_pb2.SystemRequest) -> owner_pb2.SystemHealth:
        nodes = owner_pb2.HealthCounts(green=len(self.world.nodes))
        return owner_pb2.SystemHealth(
            standing=FINE, as_of=self.world.now, files=self._counts(), nodes=nodes
        )

    def _namespace(self, request: owner_pb2.NamespaceRef) -> owner_pb2.NamespaceHealth:
        found = self.world.namespace(request.name)
        return owner_pb2.NamespaceHealth(
            standing=FINE,
            as_of=self.world.now,
            files=self._counts(),
            namespace=found.namespace,
            name=found.name,
        )

    def _node(self, request: owner_pb2.NodeRef) -> owner_pb2.NodeHealth:
        if request.node not in {node.address for node in self.world.nodes}:
            raise NotFoundError(f"there is no node {request.node.hex()}")
        return owner_pb2.NodeHealth(
            node=request.node,
            address="127.0.0.1:7401",
            state=registry_pb2.NODE_STATE_ONLINE,
            standing=FINE,
            as_of=self.world.now,
            score=1_000_000,
            proved=3,
            heartbeats=5,
            expected=5,
        )

    def _file(self, request: owner_pb2.FileRef) -> owner_pb2.FileHealth:
        stored = self.world.find(request)
        slots = [
            owner_pb2.SlotHealth(
                slot=slot, node=node, address=f"127.0.0.1:{7400 + slot}", good=True
            )
            for slot, node in enumerate(self.world.holders(), start=1)
        ]
        return owner_pb2.FileHealth(
            file=stored.file,
            namespace=stored.namespace,
            name=stored.name,
            standing=FINE,
            as_of=self.world.now,
            good=len(slots),
            wanted=len(slots),
            required=1,
            slots=slots,
        )

    def _events(self, request: owner_pb2.HealthEventsRequest) -> owner_pb2.HealthEventsReply:
        found = [
            event
            for event in self.events
            if request.kind in {0, event.kind}
            and request.id in {b"", event.id}
            and event.time >= getattr(request, "from")
        ]
        start = int.from_bytes(request.cursor, "big")
        end = start + (request.limit or 100)
        following = end.to_bytes(4, "big") if end < len(found) else b""
        return owner_pb2.HealthEventsReply(events=found[start:end], next=following)

    def _audit(self, request: owner_pb2.RunAuditRequest) -> owner_pb2.AuditReport:
        self.audited.append(request.node)
        asked = [request.node] if request.node else [node.address for node in self.world.nodes]
        found = [owner_pb2.AuditFinding(node=node, answered=True, right=4) for node in asked]
        return owner_pb2.AuditReport(findings=found)
