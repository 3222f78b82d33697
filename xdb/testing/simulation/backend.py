"""A chain in memory as the backend of simulated nodes."""

from dataclasses import dataclass

from xdb.model.ids import Deployment
from xdb.model.registry import Parameters
from xdb.ports.blockchain import ChainEvents, Registry
from xdb.ports.clock import Clock
from xdb.ports.entropy import Entropy
from xdb.ports.keys import Signer
from xdb.testing.chain import MemoryChain

_LONG = 86400.0


@dataclass(frozen=True, slots=True)
class MemoryBackend:
    """`Backend` over one chain that everybody reaches at once: a ledger of its own is nobody's."""

    chain: MemoryChain
    clock: Clock

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
        """See `Backend`: there is no copy to keep."""
        while True:
            await self.clock.sleep(_LONG)

    async def tip(self) -> int:
        """See `Backend`."""
        return self.chain.head.height
