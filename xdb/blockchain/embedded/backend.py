"""The embedded chain as a node uses it: calls go to a server, events come from the own ledger."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from xdb.blockchain.embedded.config import FollowerConfig, SubmitConfig
from xdb.blockchain.embedded.follower import BlockFollower, FollowerState
from xdb.blockchain.embedded.ledger import Ledger
from xdb.blockchain.embedded.sequencer import Sequencer
from xdb.blockchain.embedded.server import LedgerPeer
from xdb.blockchain.embedded.submission import EmbeddedRegistry
from xdb.model.ids import Deployment
from xdb.model.registry import Parameters
from xdb.ports.blockchain import BlockEvents, ChainEvents, Final, Head, Registry, Rollback
from xdb.ports.clock import Clock
from xdb.ports.entropy import Entropy
from xdb.ports.keys import Signer
from xdb.ports.peer import ChainPeer


@dataclass(frozen=True, slots=True)
class LedgerEvents:
    """`ChainEvents` of a ledger. Its blocks are final at once, and announced as final first."""

    ledger: Ledger

    async def follow(self, after: int) -> AsyncIterator[BlockEvents | Rollback | Final]:
        """See `ChainEvents`. A ledger that is behind `after` first has to catch up."""
        height = after
        while True:
            await self.ledger.reached(height + 1)
            newest = self.ledger.head.height
            yield Final(newest)
            while height < newest:
                height += 1
                yield self.ledger.events(height)


class EmbeddedChain:
    """One node's chain: its ledger, what keeps it up to date, and whom calls are sent to.

    `run` has to run for anything to come in. A node may ask for registries of as many
    identities as it has.
    """

    def __init__(
        self,
        ledger: Ledger,
        peers: Sequence[ChainPeer],
        clock: Clock,
        follower: FollowerConfig | None = None,
        submit: SubmitConfig | None = None,
    ) -> None:
        self.ledger = ledger
        self._peers = tuple(peers)
        self._clock = clock
        self._follower = BlockFollower(ledger, peers, clock, follower)
        self._submit = submit or SubmitConfig()

    @property
    def deployment(self) -> Deployment:
        """What all signatures name."""
        return self.ledger.deployment

    @property
    def parameters(self) -> Parameters:
        """Fixed at deployment."""
        return self.ledger.genesis.parameters

    @property
    def head(self) -> Head:
        """The newest block here."""
        return Head(self.ledger.head.height, self.ledger.head.time, self.ledger.head.height)

    @property
    def state(self) -> FollowerState:
        """How following goes."""
        return self._follower.state

    def registry(self, signer: Signer, entropy: Entropy) -> Registry:
        """The chain as one identity uses it."""
        return EmbeddedRegistry(
            self.ledger, self._peers, signer, self._clock, entropy, self._submit, self.state
        )

    def events(self) -> ChainEvents:
        """The chain's history."""
        return LedgerEvents(self.ledger)

    async def run(self) -> None:
        """Follows the servers without end; IntegrityError when the chain cannot be believed."""
        await self._follower.run()


def local_registry(
    ledger: Ledger, sequencer: Sequencer, signer: Signer, clock: Clock, entropy: Entropy
) -> Registry:
    """The chain for an identity that lives in the sequencer's own process."""
    peer = LedgerPeer(ledger, sequencer)
    return EmbeddedRegistry(ledger, (peer,), signer, clock, entropy, SubmitConfig())
