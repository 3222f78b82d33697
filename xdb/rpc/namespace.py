"""NamespaceService: an owner's namespaces for its clients."""

from xdb.index.paging import MOST
from xdb.index.views import NamespaceView
from xdb.pb import owner_pb2
from xdb.rpc import owner_messages
from xdb.rpc.clients import Clients
from xdb.rpc.edge import Context
from xdb.rpc.server import Service, service_of, unary
from xdb.services.namespaces import Namespaces

NAME = "xdb.v1.NamespaceService"
_PAGE = 100


class NamespaceServicer:
    """Hands requests to the owner's namespaces."""

    def __init__(self, namespaces: Namespaces, clients: Clients) -> None:
        self._namespaces = namespaces
        self._clients = clients

    async def create(
        self, request: owner_pb2.CreateNamespaceRequest, _context: Context
    ) -> owner_pb2.NamespaceInfo:
        """A new namespace."""
        self._clients.check()
        made = await self._namespaces.create(
            request.name, request.description, owner_messages.redundancy(request.redundancy)
        )
        return owner_messages.namespace_info(made, {})

    async def update(
        self, request: owner_pb2.UpdateNamespaceRequest, _context: Context
    ) -> owner_pb2.NamespaceInfo:
        """Another description or policy."""
        self._clients.check()
        changed = await self._namespaces.update(
            request.name,
            request.description if request.HasField("description") else None,
            owner_messages.redundancy(request.redundancy)
            if request.HasField("redundancy")
            else None,
        )
        return await self._info(changed.view)

    async def list_namespaces(
        self, request: owner_pb2.ListNamespacesRequest, _context: Context
    ) -> owner_pb2.ListNamespacesReply:
        """A page of namespaces."""
        self._clients.check()
        page = self._namespaces.index.namespaces(
            self._namespaces.owner,
            after=request.cursor,
            limit=min(request.limit or _PAGE, MOST),
        )
        return owner_pb2.ListNamespacesReply(
            namespaces=[
                owner_messages.namespace_info(self._namespaces.details(view), {})
                for view in page.items
            ],
            next=page.next,
        )

    async def info(
        self, request: owner_pb2.NamespaceRef, _context: Context
    ) -> owner_pb2.NamespaceInfo:
        """One namespace, its files counted by health."""
        self._clients.check()
        return await self._info(self._namespaces.catalog.namespace(request.name))

    async def _info(self, view: NamespaceView) -> owner_pb2.NamespaceInfo:
        return owner_messages.namespace_info(
            self._namespaces.details(view), await self._namespaces.colours(view)
        )


def namespace_service(namespaces: Namespaces, clients: Clients) -> Service:
    """The service of an owner node."""
    servicer = NamespaceServicer(namespaces, clients)

    handlers = {
        "Create": unary(servicer.create, owner_pb2.CreateNamespaceRequest),
        "Update": unary(servicer.update, owner_pb2.UpdateNamespaceRequest),
        "List": unary(servicer.list_namespaces, owner_pb2.ListNamespacesRequest),
        "Info": unary(servicer.info, owner_pb2.NamespaceRef),
    }
    return service_of(NAME, handlers, {})
