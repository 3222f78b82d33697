"""An embedded chain in one process: its genesis, ledgers, and servers that can fail."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from xdb.blockchain.embedded.blocks import (
    Block,
    Header,
    Transaction,
    transactions_root,
    write_block,
    writes_hash,
)
from xdb.blockchain.embedded.genesis import Genesis
from xdb.blockchain.embedded.ledger import Ledger
from xdb.blockchain.embedded.opening import open_ledger
from xdb.core.envelope import sign_envelope
from xdb.errors import UnavailableError
from xdb.model.calls import Call, Envelope
from xdb.model.ids import Digest, NodeId
from xdb.model.registry import Parameters
from xdb.ports.kv import KeyValue
from xdb.ports.peer import ChainPeer, Outcome, RemoteHead, RemoteNode
from xdb.store.kv_memory import MemoryKeyValue
from xdb.testing.compute import InlineCompute
from xdb.testing.keys import NamedKey
from xdb.testing.registry import START, nonce

SEQUENCER = NamedKey("sequencer")


def genesis(name: str = "test", parameters: Parameters | None = None) -> Genesis:
    """A genesis whose sequencer is `SEQUENCER`."""
    return Genesis(name, START, SEQUENCER.address, parameters or Parameters(start=START))


async def ledger(start: Genesis | None = None, kv: KeyValue | None = None) -> Ledger:
    """A ledger in memory, or in `kv`."""
    return await open_ledger(kv or MemoryKeyValue(), start or genesis(), InlineCompute())


def envelope(key: NamedKey, call: Call, start: Genesis, name: str, deadline: int) -> Envelope:
    """A signed call whose nonce its name determines."""
    return sign_envelope(call, start.deployment, key, nonce(name), deadline)


def block(  # noqa: PLR0913  # what a header says
    start: Genesis,
    number: int,
    previous: Digest,
    *,
    time: int = START,
    transactions: tuple[Transaction, ...] = (),
    writes: Iterable[tuple[bytes, bytes | None]] = (),
    key: NamedKey = SEQUENCER,
) -> bytes:
    """An encoded block, signed, true or not."""
    header = Header(
        version=1,
        chain=start.deployment.chain,
        number=number,
        previous=previous,
        time=time,
        transactions=transactions_root(transactions),
        writes=writes_hash(writes),
    )
    return write_block(Block(header, key.sign(header.id), transactions))


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
        async for data in self.peer.blocks(start):
            self._check()
            yield data

    async def head(self) -> RemoteHead:
        """See `ChainPeer`."""
        self._check()
        return await self.peer.head()

    async def node(self, node: NodeId) -> RemoteNode:
        """See `ChainPeer`."""
        self._check()
        return await self.peer.node(node)

    def _check(self) -> None:
        if not self.up:
            raise UnavailableError("this server is switched off")
