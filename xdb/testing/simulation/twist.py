"""How a storage node of a simulated network may differ from an honest one."""

from dataclasses import dataclass
from typing import Protocol

from xdb.node.storage import StorageNode
from xdb.node.storage_ports import StoragePorts


class Twist(Protocol):
    """Changes one node each time it starts; whatever is left alone stays the real code."""

    def ports(self, ports: StoragePorts) -> StoragePorts:
        """The world that the node is given instead of the one it would have."""
        ...

    def node(self, node: StorageNode) -> StorageNode:
        """The node that serves and works instead of the one that opened."""
        ...


@dataclass(frozen=True, slots=True)
class Honest:
    """Changes nothing."""

    def ports(self, ports: StoragePorts) -> StoragePorts:
        """See `Twist`."""
        return ports

    def node(self, node: StorageNode) -> StorageNode:
        """See `Twist`."""
        return node


HONEST = Honest()
