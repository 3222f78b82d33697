"""Seeds: where anybody may reveal an epoch's seed, the storage nodes do.

One transaction serves all, and whoever comes second would be refused. So every node waits a
time of its own after an epoch begins, another one in every epoch, and mostly finds it done.
"""

from dataclasses import dataclass
from hashlib import sha256

from xdb.core.rules.seeds import is_late
from xdb.errors import RefusedCallError
from xdb.index.index import Index
from xdb.model.calls import RevealSeed
from xdb.model.ids import NodeId
from xdb.model.refusal import Refusal
from xdb.ports.blockchain import Registry

SHARE = 4
"""The part of an epoch over which the nodes' times are spread."""

_OVERTAKEN = {Refusal.SEED, Refusal.EPOCH}


@dataclass(frozen=True, slots=True)
class SeedReport:
    """The epoch it is; `idle` says why its seed was not revealed now, empty when it was."""

    epoch: int
    idle: str = ""


@dataclass(frozen=True, slots=True)
class SeedTask:
    """Of one node, whose signer pays."""

    node: NodeId
    index: Index
    registry: Registry

    async def run_once(self) -> SeedReport:
        """Reveals the seed of the present epoch, when it is this node's turn and still taken."""
        parameters, now = self.index.parameters, self.index.head.time
        epoch = parameters.epoch_at(now)
        idle = self._idle(epoch, now)
        if idle:
            return SeedReport(epoch, idle)
        try:
            inclusion = await self.registry.submit(RevealSeed(epoch, ()))
        except RefusedCallError as error:
            if error.refusal not in _OVERTAKEN:
                raise
            return SeedReport(epoch, error.reason)
        await self.index.reached(inclusion.height)
        return SeedReport(epoch)

    def _idle(self, epoch: int, now: int) -> str:
        parameters, seed = self.index.parameters, self.index.audits.seed()
        if seed is not None and seed.epoch >= epoch:
            return "it has its seed"
        if self.index.audits.leaves(self.node, epoch) == 0:
            return "it asks nothing of this node"
        if is_late(parameters, now):
            return "its first half is over: the next one gets a seed"
        wait = turn(self.node, epoch, parameters.epoch // SHARE)
        rest = parameters.start_of(epoch) + wait - now
        return f"this node's turn comes in {rest} s" if rest > 0 else ""


def turn(node: NodeId, epoch: int, span: int) -> int:
    """Seconds after the beginning of an epoch, below `span`, before a node reveals its seed."""
    if span < 1:
        return 0
    digest = sha256(node + epoch.to_bytes(8, "big")).digest()
    return int.from_bytes(digest[:8], "big") % span
