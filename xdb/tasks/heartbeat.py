"""Heartbeat: a storage node says on the chain that it is alive."""

from dataclasses import dataclass

from xdb.model.calls import Heartbeat
from xdb.model.ids import Address
from xdb.ports.blockchain import Registry
from xdb.services.facts import Facts


@dataclass(frozen=True, slots=True)
class HeartbeatReport:
    """The block that took it; or none, and what it waits for."""

    height: int
    waiting: str = ""


@dataclass(frozen=True, slots=True)
class HeartbeatTask:
    """Sent by the node's signer; its time is the chain's."""

    facts: Facts
    signer: Address
    registry: Registry

    async def run_once(self) -> HeartbeatReport:
        """One heartbeat; none while the chain would refuse it, until a new signer counts."""
        me, epoch = self.facts.me(), self.facts.epoch
        if me.signer_at(epoch) != self.signer:
            return HeartbeatReport(0, f"for epoch {epoch + 1}: this signer does not count before")
        return HeartbeatReport((await self.registry.submit(Heartbeat(me.node))).height)
