"""A chain server: ledger and sequencer, wired over ports. Nothing here touches the machine."""

from dataclasses import dataclass
from typing import Any

from xdb.blockchain.embedded.config import SequencerConfig
from xdb.blockchain.embedded.genesis import Genesis
from xdb.blockchain.embedded.ledger import Ledger
from xdb.blockchain.embedded.opening import open_ledger
from xdb.blockchain.embedded.sequencer import Sequencer
from xdb.blockchain.embedded.server import LedgerPeer
from xdb.ports.clock import Clock
from xdb.ports.compute import Compute
from xdb.ports.keys import Signer
from xdb.ports.kv import KeyValue
from xdb.runtime.periodic import Periodic


@dataclass(frozen=True, slots=True)
class ChainPorts:
    """The world of one chain server."""

    clock: Clock
    compute: Compute
    ledger: KeyValue
    signer: Signer


@dataclass(frozen=True, slots=True)
class ChainNode:
    """The sequencer, and what is served."""

    ledger: Ledger
    sequencer: Sequencer
    tasks: tuple[Periodic[Any], ...] = ()

    @property
    def source(self) -> LedgerPeer:
        """The chain as others ask for it."""
        return LedgerPeer(self.ledger, self.sequencer)

    async def ended(self) -> None:
        """Makes blocks; raises when no more can be made."""
        await self.sequencer.run()


async def open_chain(ports: ChainPorts, genesis: Genesis, config: SequencerConfig) -> ChainNode:
    """The sequencer over its ledger, whose newest blocks have been checked."""
    ledger = await open_ledger(ports.ledger, genesis, ports.compute)
    return ChainNode(ledger, Sequencer(ledger, ports.signer, ports.clock, config))
