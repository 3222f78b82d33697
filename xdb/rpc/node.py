"""NodeService: what an owner knows of storage nodes, and of itself."""

from dataclasses import dataclass

from xdb import __version__
from xdb.core.wire import to_message
from xdb.errors import NotFoundError, XdbError
from xdb.index.paging import MOST
from xdb.model.ids import Deployment
from xdb.model.tasks import TaskList
from xdb.pb import owner_pb2, tasks_pb2
from xdb.rpc import history_messages, owner_messages
from xdb.rpc.clients import Clients
from xdb.rpc.edge import Context
from xdb.rpc.fields import node_id
from xdb.rpc.server import Service, service_of, unary
from xdb.services.candidates import NodeSurvey
from xdb.services.health.look import Viewpoint
from xdb.services.history import History
from xdb.services.tasks import TaskOverview
from xdb.services.upload.uploader import Uploader

NAME = "xdb.v1.NodeService"
_PAGE = 100
_DAYS = 7


@dataclass(frozen=True, slots=True)
class NodeServicer:
    """Hands requests to the owner's survey of nodes."""

    survey: NodeSurvey
    uploader: Uploader
    deployment: Deployment
    clients: Clients
    slice_size: int
    tasks: TaskOverview
    viewpoint: Viewpoint
    history: History

    async def list_nodes(
        self, request: owner_pb2.ListNodesRequest, _context: Context
    ) -> owner_pb2.ListNodesReply:
        """A page of nodes as the chain knows them."""
        self.clients.check()
        limit = min(request.limit or _PAGE, MOST)
        page = self.survey.index.nodes(after=request.cursor, limit=limit)
        look = self.viewpoint.look()
        return owner_pb2.ListNodesReply(
            nodes=[owner_messages.node_info(view, look) for view in page],
            next=page[-1].record.node if len(page) == limit else b"",
        )

    async def info(self, request: owner_pb2.NodeRef, _context: Context) -> owner_pb2.NodeInfo:
        """One node, asked now."""
        self.clients.check()
        node = node_id(request.node)
        view = self.survey.index.node(node)
        if view is None:
            raise NotFoundError(
                f"there is no node {node.hex()}: `xdb-cli nodes list` shows all of them"
            )
        info = owner_messages.node_info(view, self.viewpoint.look())
        try:
            answer = await self.survey.peers.peer(view.record).status()
        except XdbError as error:
            info.problem = str(error)
            return info
        info.reachable = True
        info.free = answer.free
        info.problem = answer.reason
        return info

    async def status(
        self, _request: owner_pb2.OwnerStatusRequest, _context: Context
    ) -> owner_pb2.OwnerStatus:
        """This owner node itself."""
        self.clients.check()
        index = self.survey.index
        return owner_pb2.OwnerStatus(
            owner=self.clients.owner,
            chain=self.deployment.chain,
            contract=self.deployment.contract,
            height=index.head.height,
            chain_time=index.head.time,
            version=__version__,
            retention=index.parameters.retention,
            slice_size=self.slice_size,
            open_uploads=self.uploader.open_uploads,
        )

    async def days(
        self, request: owner_pb2.NodeHistoryRequest, _context: Context
    ) -> owner_pb2.NodeHistoryReply:
        """Heartbeats and audits of a node by day."""
        self.clients.check()
        node = node_id(request.node)
        found = self.history.days(node, request.days or _DAYS)
        return owner_pb2.NodeHistoryReply(days=[history_messages.day(day) for day in found])

    async def list_tasks(
        self, request: owner_pb2.TasksOf, _context: Context
    ) -> tasks_pb2.TasksReply:
        """Periodic tasks of this node, a storage node or the chain servers."""
        self.clients.check()
        if request.HasField("node"):
            found = await self.tasks.of_node(node_id(request.node))
        elif request.chain:
            found = await self.tasks.of_chain()
        else:
            found = TaskList(self.tasks.own())
        return to_message(found, tasks_pb2.TasksReply)


def node_service(servicer: NodeServicer) -> Service:
    """The service of an owner node."""
    handlers = {
        "List": unary(servicer.list_nodes, owner_pb2.ListNodesRequest),
        "Info": unary(servicer.info, owner_pb2.NodeRef),
        "Status": unary(servicer.status, owner_pb2.OwnerStatusRequest),
        "Tasks": unary(servicer.list_tasks, owner_pb2.TasksOf),
        "History": unary(servicer.days, owner_pb2.NodeHistoryRequest),
    }
    return service_of(NAME, handlers, {})
