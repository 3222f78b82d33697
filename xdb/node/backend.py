"""What a node needs of a blockchain: each backend offers all of it."""

from typing import Protocol

from xdb.model.ids import Deployment
from xdb.model.registry import Parameters
from xdb.ports.blockchain import ChainEvents, Registry
from xdb.ports.entropy import Entropy
from xdb.ports.keys import Signer


class Backend(Protocol):
    """One deployment on one chain, as one node sees it."""

    @property
    def deployment(self) -> Deployment:
        """What all signatures name."""
        ...

    @property
    def parameters(self) -> Parameters:
        """Fixed at deployment."""
        ...

    def registry(self, signer: Signer, entropy: Entropy) -> Registry:
        """The chain as one identity uses it."""
        ...

    def events(self) -> ChainEvents:
        """The chain's history."""
        ...

    async def run(self) -> None:
        """Keeps the node's own copy up to date, without end.

        IntegrityError when the chain cannot be believed any more.
        """
        ...

    async def tip(self) -> int:
        """The height that the chain has now; UnavailableError when nobody says."""
        ...
