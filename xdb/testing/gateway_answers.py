"""What the owner node in memory answers to single requests."""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from xdb.errors import (
    ConflictError,
    ExpiredError,
    InvalidRequestError,
    NotFoundError,
    PlacementError,
)
from xdb.pb import owner_pb2, registry_pb2, tasks_pb2
from xdb.testing.gateway_care import CareAnswers
from xdb.testing.gateway_history import METHODS, HistoryAnswers
from xdb.testing.gateway_state import EXPIRED, GONE, LIVE, RETENTION, SLICE, Stored, World
from xdb.testing.keys import NamedKey

HEIGHT = 1234


@dataclass
class Answers:
    """Answers by name of the request."""

    world: World
    page: int = 100  # entries of a page when nobody says how many
    tasks: dict[str, tasks_pb2.TasksReply] = field(default_factory=dict)  # owner, node, chain
    care: CareAnswers = field(init=False)
    history: HistoryAnswers = field(init=False)

    def __post_init__(self) -> None:
        """Health and history of the same world."""
        self.care, self.history = CareAnswers(self.world), HistoryAnswers(self.world)

    def answer(self, method: str, request: Any) -> Any:  # noqa: ANN401  # messages
        """The answer to a request."""
        if method in METHODS:
            return self.history.answer(method, request)
        if self.care.knows(method):
            return self.care.answer(method, request)
        return getattr(self, f"_answer_{_snake(method)}")(request)

    def _answer_list_files(self, request: owner_pb2.ListFilesRequest) -> Any:  # noqa: ANN401
        if request.namespace:
            self.world.namespace(request.namespace)
        found = [
            self.world.info(stored)
            for stored in reversed(self.world.files)
            if request.namespace in {"", stored.namespace}
            and self.world.status(stored) == (request.status or LIVE)
            and getattr(request, "from") <= stored.published
            and (not request.until or stored.published < request.until)
        ]
        part, following = self._page(found, request)
        return owner_pb2.ListFilesReply(files=part, next=following)

    def _answer_info(self, request: owner_pb2.FileRef) -> owner_pb2.FileInfo:
        return self.world.info(self.world.find(request), whole=True)

    def _answer_delete(self, request: owner_pb2.FileRef) -> owner_pb2.FileInfo:
        stored = self.world.find(request)
        if self.world.status(stored) != LIVE:
            raise ExpiredError(f"{stored.name} is deleted or has expired already")
        stored.deleted = self.world.now
        return self.world.info(stored)

    def _answer_undelete(self, request: owner_pb2.RenewRequest) -> owner_pb2.FileInfo:
        stored = self.world.find(request.ref)
        if self.world.status(stored) == LIVE:
            raise ConflictError(f"file {stored.name} is live: there is nothing to bring back")
        return self._renewed(stored, request.expiry or stored.expiry)

    def _answer_renew(self, request: owner_pb2.RenewRequest) -> owner_pb2.FileInfo:
        return self._renewed(self.world.find(request.ref), request.expiry)

    def _answer_rename(self, request: owner_pb2.RenameRequest) -> owner_pb2.FileInfo:
        stored = self.world.find(request.ref)
        if self.world.named(stored.namespace, request.name, LIVE):
            raise ConflictError(f"{stored.namespace}/{request.name} exists: choose another name")
        stored.name = request.name
        if request.HasField("description"):
            stored.header.description = request.description
        return self.world.info(stored)

    def _answer_usage(self, _: owner_pb2.UsageRequest) -> owner_pb2.UsageReply:
        reply = owner_pb2.UsageReply()
        for name in self.world.namespaces:
            info = self._counted(name)
            reply.namespaces.add(
                namespace=name,
                files=info.files,
                size=info.size,
                stored=3 * info.size,
                expired=info.expired,
            )
        return reply

    def _answer_create_namespace(self, request: owner_pb2.CreateNamespaceRequest) -> Any:  # noqa: ANN401
        if request.name in self.world.namespaces:
            raise ConflictError(f"namespace {request.name} exists: choose another name")
        self._check_policy(request.redundancy)
        self.world.namespaces[request.name] = owner_pb2.NamespaceInfo(
            namespace=sha256(request.name.encode()).digest(),
            name=request.name,
            description=request.description,
            redundancy=request.redundancy,
            created=self.world.now,
        )
        return self.world.namespaces[request.name]

    def _answer_update_namespace(self, request: owner_pb2.UpdateNamespaceRequest) -> Any:  # noqa: ANN401
        info = self.world.namespace(request.name)
        if request.HasField("description"):
            info.description = request.description
        if request.HasField("redundancy"):
            self._check_policy(request.redundancy)
            info.redundancy.CopyFrom(request.redundancy)
        return self._counted(request.name)

    def _answer_list_namespaces(self, request: owner_pb2.ListNamespacesRequest) -> Any:  # noqa: ANN401
        part, following = self._page(
            [self._counted(name) for name in self.world.namespaces], request
        )
        return owner_pb2.ListNamespacesReply(namespaces=part, next=following)

    def _answer_namespace_info(self, request: owner_pb2.NamespaceRef) -> owner_pb2.NamespaceInfo:
        self.world.namespace(request.name)
        return self._counted(request.name)

    def _answer_list_nodes(self, request: owner_pb2.ListNodesRequest) -> owner_pb2.ListNodesReply:
        part, following = self._page([self._node(node) for node in self.world.nodes], request)
        return owner_pb2.ListNodesReply(nodes=part, next=following)

    def _answer_node_info(self, request: owner_pb2.NodeRef) -> owner_pb2.NodeInfo:
        for node in self.world.nodes:
            if node.address == request.node:
                info = self._node(node)
                info.reachable = True
                info.free = 8 << 30
                return info
        raise NotFoundError(f"there is no node {request.node.hex()}")

    def _answer_tasks(self, request: owner_pb2.TasksOf) -> tasks_pb2.TasksReply:
        whose = request.WhichOneof("whose") or "owner"
        return self.tasks.get(whose, tasks_pb2.TasksReply())

    def _answer_status(self, _: owner_pb2.OwnerStatusRequest) -> owner_pb2.OwnerStatus:
        return owner_pb2.OwnerStatus(
            owner=self.world.owner,
            chain=self.world.deployment.chain,
            contract=self.world.deployment.contract,
            height=HEIGHT,
            chain_time=self.world.now,
            version="0.0.0",
            retention=RETENTION,
            slice_size=SLICE,
        )

    def _counted(self, name: str) -> owner_pb2.NamespaceInfo:
        info = owner_pb2.NamespaceInfo()
        info.CopyFrom(self.world.namespaces[name])
        live = [s for s in self.world.files if s.namespace == name and self.world.status(s) == LIVE]
        info.files, info.size = len(live), sum(len(stored.data) for stored in live)
        info.expired = sum(
            s.namespace == name and self.world.status(s) == EXPIRED for s in self.world.files
        )
        info.colours["green"] = len(live)
        return info

    def _check_policy(self, redundancy: registry_pb2.Redundancy) -> None:
        usable = len(self.world.nodes)
        if redundancy.total > usable:
            raise PlacementError(
                f"{redundancy.total} nodes are needed, {usable} are usable: add nodes, or ask for "
                "less"
            )

    def _renewed(self, stored: Stored, expiry: int) -> owner_pb2.FileInfo:
        if self.world.status(stored) == GONE:
            raise NotFoundError(f"file {stored.name} is gone")
        if expiry <= self.world.now:
            raise InvalidRequestError(f"file {stored.name} has expired, too: say until when")
        stored.deleted, stored.expiry = 0, expiry
        stored.version += 1
        return self.world.info(stored)

    def _node(self, node: NamedKey) -> owner_pb2.NodeInfo:
        number = self.world.nodes.index(node) + 1
        return owner_pb2.NodeInfo(
            node=node.address,
            signer=NamedKey(f"signer {number}").address,
            address=f"127.0.0.1:{7400 + number}",
            operator=f"operator {number}",
            zone="here",
            state=registry_pb2.NODE_STATE_ONLINE,
            capacity=10 << 30,
            registered=self.world.now - 86400,
            last_heartbeat=self.world.now - 60,
            holdings=len(self.world.files),
            stored=sum(len(stored.data) for stored in self.world.files),
            health=owner_pb2.HEALTH_GREEN,
        )

    def _page(self, items: list[Any], request: Any) -> tuple[list[Any], bytes]:  # noqa: ANN401
        start = int.from_bytes(request.cursor, "big")
        end = start + (request.limit or self.page)
        return items[start:end], end.to_bytes(4, "big") if end < len(items) else b""


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
