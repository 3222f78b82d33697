"""Twists made of functions."""

from collections.abc import Callable
from dataclasses import dataclass

from xdb.node.storage import StorageNode
from xdb.node.storage_ports import StoragePorts


def _same_ports(ports: StoragePorts) -> StoragePorts:
    return ports


def _same_node(node: StorageNode) -> StorageNode:
    return node


@dataclass(frozen=True, slots=True)
class Twisted:
    """`Twist`: what is not given stays as it is."""

    on_node: Callable[[StorageNode], StorageNode] = _same_node
    on_ports: Callable[[StoragePorts], StoragePorts] = _same_ports

    def ports(self, ports: StoragePorts) -> StoragePorts:
        """See `Twist`."""
        return self.on_ports(ports)

    def node(self, node: StorageNode) -> StorageNode:
        """See `Twist`."""
        return self.on_node(node)
