"""Heartbeat: a storage node says on the chain that it is alive."""

from dataclasses import dataclass

from xdb.model.calls import Heartbeat
from xdb.model.ids import NodeId
from xdb.ports.blockchain import Registry


@dataclass(frozen=True, slots=True)
class HeartbeatReport:
    """The block that took it."""

    height: int


@dataclass(frozen=True, slots=True)
class HeartbeatTask:
    """Sent by the node's signer; its time is the chain's."""

    node: NodeId
    registry: Registry

    async def run_once(self) -> HeartbeatReport:
        """One heartbeat."""
        return HeartbeatReport((await self.registry.submit(Heartbeat(self.node))).height)
