"""A chain in memory as the operator of one of its nodes reaches it."""

from dataclasses import dataclass

from xdb.core.rules.state import State
from xdb.model.calls import Call
from xdb.model.ids import Digest, NodeId
from xdb.model.registry import NodeRecord, NodeState, Parameters
from xdb.ports.blockchain import Inclusion
from xdb.ports.peer import RemoteNode
from xdb.testing.keys import NamedKey
from xdb.testing.registry import World


@dataclass
class WorldDesk:
    """Hands in calls of `key`, the id of a node of `world`, and looks up records."""

    world: World
    key: NamedKey

    @property
    def parameters(self) -> Parameters:
        """See `Desk`."""
        return self.world.chain.parameters

    @property
    def record(self) -> NodeRecord:
        """The node's record."""
        found = State(self.world.chain.state).node(self.key.node)
        if found is None:
            raise AssertionError(f"{self.key.name} is not registered")
        return found

    @property
    def state(self) -> NodeState:
        """The node's state."""
        return self.record.state

    async def node(self, node: NodeId) -> RemoteNode:
        """See `Roster`."""
        head = self.world.chain.head
        return RemoteNode(head.height, head.time, State(self.world.chain.state).node(node))

    async def submit(self, call: Call) -> Inclusion:
        """See `Desk`."""
        self.world.call(self.key, call)
        head = self.world.chain.head
        return Inclusion(head.height, head.time, Digest(bytes(32)))
