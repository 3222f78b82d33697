"""Storage nodes as the owner node knows them."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from xdb.client import messages
from xdb.client.owner import NODES, Owner
from xdb.client.records import NodeInfo, TaskListing
from xdb.errors import InvalidRequestError
from xdb.model.ids import WIDTHS, NodeId
from xdb.pb import owner_pb2, tasks_pb2


@dataclass(frozen=True, slots=True)
class Nodes:
    """`Client.nodes`."""

    owner: Owner

    async def list(self) -> AsyncGenerator[NodeInfo, None]:
        """All nodes as the chain knows them; none of them is asked."""
        cursor = b""
        while True:
            request = owner_pb2.ListNodesRequest(cursor=cursor)
            page, cursor = await self.owner.ask(
                f"{NODES}List", request, owner_pb2.ListNodesReply, _page
            )
            for info in page:
                yield info
            if not cursor:
                return

    async def info(self, node: bytes) -> NodeInfo:
        """One node, asked by the owner node whether it answers and how much room it has."""
        request = owner_pb2.NodeRef(node=checked(node))
        return await self.owner.ask(
            f"{NODES}Info", request, owner_pb2.NodeInfo, messages.asked_node
        )

    async def tasks(self, node: bytes | None = None, *, chain: bool = False) -> TaskListing:
        """How periodic tasks are doing: the owner node's own, a storage node's, or the chain's."""
        if node is not None and chain:
            raise InvalidRequestError("a node's tasks or the chain's? ask for one of them")
        request = owner_pb2.TasksOf()
        if node is not None:
            request.node = checked(node)
        elif chain:
            request.chain = True
        return await self.owner.ask(
            f"{NODES}Tasks", request, tasks_pb2.TasksReply, messages.task_listing
        )


def checked(node: bytes) -> bytes:
    """An id of a node; InvalidRequestError for anything else."""
    if len(node) != WIDTHS[NodeId]:
        raise InvalidRequestError(f"a node's id has {WIDTHS[NodeId]} bytes, not {len(node)}")
    return node


def _page(reply: owner_pb2.ListNodesReply) -> tuple[list[NodeInfo], bytes]:
    return [messages.listed_node(each) for each in reply.nodes], reply.next
