"""Periodic tasks of other daemons over gRPC."""

from dataclasses import dataclass, replace

from xdb.core.wire import to_record
from xdb.errors import IntegrityError
from xdb.model.registry import Endpoint, NodeRecord
from xdb.model.tasks import TaskList, TaskStatus
from xdb.pb import tasks_pb2
from xdb.peer.calls import Party
from xdb.peer.connections import Connections
from xdb.peer.requests import RequestSigner

LIST = "/xdb.v1.TaskService/List"


@dataclass(frozen=True, slots=True)
class GrpcTaskPeers:
    """`TaskPeers`: storage nodes are asked in one identity's name, chain servers unsigned."""

    signer: RequestSigner
    connections: Connections

    async def of_node(self, node: NodeRecord) -> tuple[TaskStatus, ...]:
        """See `TaskPeers`."""
        whom = f"node {node.node.hex()} at {node.endpoint.address}"
        return await _ask(Party(whom, node.endpoint, self.connections, node.node, self.signer))

    async def of_server(self, endpoint: Endpoint) -> tuple[TaskStatus, ...]:
        """See `TaskPeers`."""
        tasks = await _ask(Party(f"chain server {endpoint.address}", endpoint, self.connections))
        return tuple(replace(task, server=endpoint.address) for task in tasks)


async def _ask(party: Party) -> tuple[TaskStatus, ...]:
    within = party.connections.config.control
    reply = await party.ask(LIST, tasks_pb2.TasksRequest(), tasks_pb2.TasksReply, within)
    try:
        return to_record(reply, TaskList).tasks
    except ValueError as error:
        raise IntegrityError(f"{party.whom} answered with {error}: ask another one") from error
