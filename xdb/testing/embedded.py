"""An embedded chain in one process: its genesis, ledgers, and servers that can fail."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from xdb.blockchain.embedded.genesis import Genesis
from xdb.blockchain.embedded.ledger import Ledger
from xdb.blockchain.embedded.opening import open_ledger
from xdb.errors import UnavailableError
from xdb.model.calls import Envelope
from xdb.model.registry import Parameters
from xdb.ports.kv import KeyValue
from xdb.ports.peer import ChainPeer, Outcome, RemoteHead
from xdb.store.kv_memory import MemoryKeyValue
from xdb.testing.compute import InlineCompute
from xdb.testing.keys import NamedKey
from xdb.testing.registry import START

SEQUENCER = NamedKey("sequencer")


def genesis(name: str = "test", parameters: Parameters | None = None) -> Genesis:
    """A genesis whose sequencer is `SEQUENCER`."""
    return Genesis(name, START, SEQUENCER.address, parameters or Parameters(start=START))


async def ledger(start: Genesis | None = None, kv: KeyValue | None = None) -> Ledger:
    """A ledger in memory, or in `kv`."""
    return await open_ledger(kv or MemoryKeyValue(), start or genesis(), InlineCompute())


@dataclass
class FaultyPeer:
    """A `ChainPeer` that a test switches off, or whose answers get lost."""

    peer: ChainPeer
    up: bool = True
    answers_lost: int = 0
    calls: int = 0

    async def submit(self, envelope: Envelope) -> Outcome:
        """See `ChainPeer`."""
        self._check()
        self.calls += 1
        outcome = await self.peer.submit(envelope)
        if self.answers_lost:
            self.answers_lost -= 1
            raise UnavailableError("the answer was lost")
        return outcome

    async def blocks(self, start: int) -> AsyncIterator[bytes]:
        """See `ChainPeer`."""
        self._check()
        async for block in self.peer.blocks(start):
            self._check()
            yield block

    async def head(self) -> RemoteHead:
        """See `ChainPeer`."""
        self._check()
        return await self.peer.head()

    def _check(self) -> None:
        if not self.up:
            raise UnavailableError("this server is switched off")
