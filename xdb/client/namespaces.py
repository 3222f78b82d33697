"""Namespaces of the owner, for its clients."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from xdb.client import messages
from xdb.client.owner import NAMESPACES, Owner
from xdb.client.records import NamespaceInfo
from xdb.core.names import check_namespace_name
from xdb.model.registry import Coding, Redundancy
from xdb.pb import owner_pb2


def copies(count: int) -> Redundancy:
    """The policy of `count` copies, any one of which is enough."""
    return Redundancy(Coding.COPIES, 1, count)


@dataclass(frozen=True, slots=True)
class Namespaces:
    """`Client.namespaces`."""

    owner: Owner

    async def create(
        self, name: str, redundancy: Redundancy, description: str = ""
    ) -> NamespaceInfo:
        """A new namespace; ConflictError when it exists, PlacementError without enough nodes."""
        request = owner_pb2.CreateNamespaceRequest(
            name=check_namespace_name(name), description=description
        )
        messages.write_redundancy(redundancy, request.redundancy)
        return await self.owner.tell(
            f"{NAMESPACES}Create", request, owner_pb2.NamespaceInfo, messages.namespace_info
        )

    async def update(
        self, name: str, *, redundancy: Redundancy | None = None, description: str | None = None
    ) -> NamespaceInfo:
        """Changes what is given, for files to come; files that are there stay as they are."""
        request = owner_pb2.UpdateNamespaceRequest(
            name=check_namespace_name(name), description=description
        )
        if redundancy is not None:
            messages.write_redundancy(redundancy, request.redundancy)
        return await self.owner.tell(
            f"{NAMESPACES}Update", request, owner_pb2.NamespaceInfo, messages.namespace_info
        )

    async def info(self, name: str) -> NamespaceInfo:
        """One namespace, its files counted by health."""
        request = owner_pb2.NamespaceRef(name=check_namespace_name(name))
        return await self.owner.ask(
            f"{NAMESPACES}Info", request, owner_pb2.NamespaceInfo, messages.namespace_info
        )

    async def list(self) -> AsyncGenerator[NamespaceInfo, None]:
        """All namespaces."""
        cursor = b""
        while True:
            request = owner_pb2.ListNamespacesRequest(cursor=cursor)
            page, cursor = await self.owner.ask(
                f"{NAMESPACES}List", request, owner_pb2.ListNamespacesReply, _page
            )
            for info in page:
                yield info
            if not cursor:
                return


def _page(reply: owner_pb2.ListNamespacesReply) -> tuple[list[NamespaceInfo], bytes]:
    return [messages.namespace_info(each) for each in reply.namespaces], reply.next
