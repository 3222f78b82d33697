"""Audits, days and migrations of the owner node in memory: what a test put there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from xdb.errors import InvalidRequestError, NotFoundError
from xdb.pb import owner_pb2
from xdb.testing.gateway_state import World

METHODS: dict[str, tuple[str, Any]] = {
    "ListAudits": ("xdb.v1.AuditService/List", owner_pb2.ListAuditsRequest),
    "CountAudits": ("xdb.v1.AuditService/Count", owner_pb2.ListAuditsRequest),
    "ShowAudit": ("xdb.v1.AuditService/Show", owner_pb2.ShowAuditRequest),
    "ListMigrations": ("xdb.v1.MigrationService/List", owner_pb2.ListMigrationsRequest),
    "NodeHistory": ("xdb.v1.NodeService/History", owner_pb2.NodeHistoryRequest),
}
"""Where requests go, by their names here."""

T = TypeVar("T")


def methods_of(service: str) -> dict[str, tuple[str, Any]]:
    """Methods of a service: names of their requests here, and the messages."""
    return {
        path.partition("/")[2]: (name, request)
        for name, (path, request) in METHODS.items()
        if path.startswith(f"{service}/")
    }


@dataclass
class HistoryAnswers:
    """Answers from lists that are the newest first. `asked` are all requests so far.

    As with a real owner node a page ends after `scanned` entries, and may be empty.
    """

    world: World
    audits: list[owner_pb2.AuditInfo] = field(default_factory=list)
    migrations: list[owner_pb2.MigrationInfo] = field(default_factory=list)
    days: list[owner_pb2.NodeDay] = field(default_factory=list)
    epoch_length: int = 3600
    scanned: int = 1000
    asked: list[Any] = field(default_factory=list)

    def answer(self, method: str, request: Any) -> Any:  # noqa: ANN401  # messages
        """The answer to a request."""
        self.asked.append(request)
        makers: dict[str, Any] = {
            "ListAudits": self._list_audits,
            "CountAudits": self._count,
            "ShowAudit": self._show,
            "ListMigrations": self._list_migrations,
            "NodeHistory": self._days,
        }
        return makers[method](request)

    def _list_audits(self, request: owner_pb2.ListAuditsRequest) -> owner_pb2.ListAuditsReply:
        found, following = self._page(self.audits, request, _audit_wanted(request))
        return owner_pb2.ListAuditsReply(
            audits=found, next=following, epoch_length=self.epoch_length
        )

    def _count(self, request: owner_pb2.ListAuditsRequest) -> owner_pb2.AuditCounts:
        found, following = self._page(self.audits, request, _audit_wanted(request))
        counts = owner_pb2.AuditCounts(next=following)
        for audit in found:
            name = owner_pb2.Verdict.Name(audit.verdict).removeprefix("VERDICT_").lower()
            setattr(counts, name, getattr(counts, name) + 1)
        return counts

    def _show(self, request: owner_pb2.ShowAuditRequest) -> owner_pb2.AuditInfo:
        if "-" not in request.id:
            raise InvalidRequestError(f"{request.id!r} is no audit")
        for audit in self.audits:
            if audit.id == request.id:
                return audit
        raise NotFoundError(f"there is no audit {request.id}")

    def _list_migrations(
        self, request: owner_pb2.ListMigrationsRequest
    ) -> owner_pb2.ListMigrationsReply:
        def wanted(each: owner_pb2.MigrationInfo) -> bool:
            is_there = request.node in {b"", each.source, each.target}
            return is_there and _is_within(each.time, request)

        found, following = self._page(self.migrations, request, wanted)
        return owner_pb2.ListMigrationsReply(migrations=found, next=following)

    def _days(self, request: owner_pb2.NodeHistoryRequest) -> owner_pb2.NodeHistoryReply:
        if request.node not in {node.address for node in self.world.nodes}:
            raise NotFoundError(f"there is no node {request.node.hex()}")
        return owner_pb2.NodeHistoryReply(days=self.days[: request.days or 7])

    def _page(
        self,
        items: Sequence[T],
        request: Any,  # noqa: ANN401  # with limit and cursor
        wanted: Callable[[T], bool],
    ) -> tuple[list[T], bytes]:
        start = int.from_bytes(request.cursor, "big")
        end, found = min(len(items), start + self.scanned), list[T]()
        for at in range(start, end):
            if len(found) == (request.limit or 100):
                return found, at.to_bytes(4, "big")
            if wanted(items[at]):
                found.append(items[at])
        return found, end.to_bytes(4, "big") if end < len(items) else b""


def _audit_wanted(
    request: owner_pb2.ListAuditsRequest,
) -> Callable[[owner_pb2.AuditInfo], bool]:
    def wanted(audit: owner_pb2.AuditInfo) -> bool:
        is_meant = request.node in {b"", audit.node} and request.verdict in {0, audit.verdict}
        return is_meant and _is_within(audit.starts, request)

    return wanted


def _is_within(time: int, request: Any) -> bool:  # noqa: ANN401  # with from and until
    since: int = getattr(request, "from")  # a keyword here and a field there
    return since <= time and (not request.until or time < request.until)
