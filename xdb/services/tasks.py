"""What an owner node tells of periodic tasks: its own, a storage node's, the chain's."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from xdb.errors import NotFoundError, UnavailableError, XdbError
from xdb.index.index import Index
from xdb.model.ids import NodeId
from xdb.model.registry import Endpoint
from xdb.model.tasks import TaskList, TaskStatus
from xdb.ports.peer import TaskPeers


@dataclass(frozen=True, slots=True)
class TaskOverview:
    """Over the tasks of this node, and those whom it can ask."""

    own: Callable[[], tuple[TaskStatus, ...]]
    index: Index
    peers: TaskPeers
    servers: tuple[Endpoint, ...]

    async def of_node(self, node: NodeId) -> TaskList:
        """A storage node's, asked now."""
        view = self.index.node(node)
        if view is None:
            raise NotFoundError(
                f"there is no node {node.hex()}: `xdb-cli nodes list` shows all of them"
            )
        return TaskList(await self.peers.of_node(view.record))

    async def of_chain(self) -> TaskList:
        """Those of all chain servers that answer; UnavailableError when none does."""
        answers = await asyncio.gather(*(self._of_server(server) for server in self.servers))
        problems = tuple(str(answer) for answer in answers if isinstance(answer, XdbError))
        if len(problems) == len(self.servers):
            raise UnavailableError(
                f"no chain server tells its tasks ({'; '.join(problems)}): start them, or correct "
                "chain.servers"
            )
        found = [task for answer in answers if isinstance(answer, tuple) for task in answer]
        return TaskList(tuple(found), problems)

    async def _of_server(self, server: Endpoint) -> tuple[TaskStatus, ...] | XdbError:
        try:
            return await self.peers.of_server(server)
        except XdbError as error:
            return error
