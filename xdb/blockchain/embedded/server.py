"""A ledger as others see it: `ChainPeer` in the same process, and what the server serves."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from xdb.blockchain.embedded.ledger import Ledger
from xdb.blockchain.embedded.sequencer import Sequencer
from xdb.core.rules.state import State
from xdb.errors import UnavailableError
from xdb.model.calls import Envelope
from xdb.model.ids import NodeId
from xdb.ports.peer import Outcome, RemoteHead, RemoteNode


@dataclass(frozen=True, slots=True)
class LedgerPeer:
    """A `ChainPeer`. Without a sequencer it hands out blocks and takes no calls."""

    ledger: Ledger
    sequencer: Sequencer | None = None

    async def submit(self, envelope: Envelope) -> Outcome:
        """See `ChainPeer`."""
        if self.sequencer is None:
            raise UnavailableError(
                "this node follows the chain and takes no calls: send them to the sequencer"
            )
        return await self.sequencer.submit(envelope)

    async def blocks(self, start: int) -> AsyncGenerator[bytes, None]:
        """See `ChainPeer`."""
        height = max(1, start)
        while True:
            await self.ledger.reached(height)
            yield self.ledger.block(height)
            height += 1

    async def head(self) -> RemoteHead:
        """See `ChainPeer`."""
        return self.ledger.head

    async def node(self, node: NodeId) -> RemoteNode:
        """See `ChainPeer`."""
        head = self.ledger.head
        return RemoteNode(head.height, head.time, State(self.ledger.state).node(node))
