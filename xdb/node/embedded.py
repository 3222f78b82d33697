"""The embedded chain as a node's backend."""

import asyncio
from dataclasses import dataclass

from xdb.blockchain.embedded.backend import EmbeddedChain
from xdb.blockchain.embedded.genesis import Genesis
from xdb.blockchain.embedded.opening import open_ledger
from xdb.config.sections import ChainAccess
from xdb.errors import UnavailableError, XdbError
from xdb.model.ids import Deployment
from xdb.model.registry import Parameters
from xdb.node.machine import CHAIN, Machine
from xdb.peer.chain import GrpcChainPeers
from xdb.peer.connections import Connections
from xdb.ports.blockchain import ChainEvents, Registry
from xdb.ports.entropy import Entropy
from xdb.ports.keys import Signer
from xdb.ports.peer import ChainPeer


@dataclass(frozen=True, slots=True)
class EmbeddedBackend:
    """`Backend` over a ledger that follows servers."""

    chain: EmbeddedChain
    peers: tuple[ChainPeer, ...]

    @property
    def deployment(self) -> Deployment:
        """See `Backend`."""
        return self.chain.deployment

    @property
    def parameters(self) -> Parameters:
        """See `Backend`."""
        return self.chain.parameters

    def registry(self, signer: Signer, entropy: Entropy) -> Registry:
        """See `Backend`."""
        return self.chain.registry(signer, entropy)

    def events(self) -> ChainEvents:
        """See `Backend`."""
        return self.chain.events()

    async def run(self) -> None:
        """See `Backend`."""
        await self.chain.run()

    async def tip(self) -> int:
        """See `Backend`. The highest that a server names."""
        answers = await asyncio.gather(*(self._height(peer) for peer in self.peers))
        heights = [answer for answer in answers if isinstance(answer, int)]
        if not heights:
            raise UnavailableError(
                f"no chain server answers ({'; '.join(map(str, answers))}): start them, or correct "
                "chain.servers"
            )
        return max(heights)

    async def _height(self, peer: ChainPeer) -> int | XdbError:
        try:
            return (await peer.head()).height
        except XdbError as error:
            return error


async def open_backend(
    machine: Machine, access: ChainAccess, genesis: Genesis, connections: Connections
) -> EmbeddedBackend:
    """The node's own copy of the chain, and the servers it follows."""
    kv = machine.open_kv(CHAIN)
    ledger = await open_ledger(kv, genesis, machine.compute, sync=access.sync)
    found = GrpcChainPeers(connections)
    peers = tuple(found.peer(endpoint) for endpoint in access.endpoints)
    chain = EmbeddedChain(ledger, peers, machine.clock, access.follow, access.submit)
    return EmbeddedBackend(chain, peers)
