"""Sends calls of one identity to the embedded chain, each exactly once.

A call is signed once. However often its envelope is sent, and to whichever server, the
sequencer takes it once and answers every time with the same outcome; after its deadline
nobody takes it any more.
"""

from collections.abc import Sequence

from xdb.blockchain.embedded.config import SubmitConfig
from xdb.blockchain.embedded.follower import FollowerState
from xdb.blockchain.embedded.ledger import Ledger
from xdb.blockchain.embedded.sending import Sending, inclusion
from xdb.blockchain.waiting import within
from xdb.core.envelope import sign_envelope
from xdb.errors import IntegrityError, TimeoutExpiredError, UnavailableError
from xdb.model.calls import Call, Envelope
from xdb.model.ids import Deployment, Nonce
from xdb.model.refusal import Refusal
from xdb.model.registry import Parameters
from xdb.ports.blockchain import Inclusion
from xdb.ports.clock import Clock
from xdb.ports.entropy import Entropy
from xdb.ports.keys import Signer
from xdb.ports.peer import ChainPeer, Outcome


class EmbeddedRegistry:
    """`Registry` of one identity. Whoever returns from `submit` finds the call in `ledger`."""

    def __init__(  # noqa: PLR0913, PLR0917  # what it is made of
        self,
        ledger: Ledger,
        peers: Sequence[ChainPeer],
        signer: Signer,
        clock: Clock,
        entropy: Entropy,
        config: SubmitConfig | None = None,
        follower: FollowerState | None = None,
    ) -> None:
        self._ledger = ledger
        self._signer = signer
        self._clock = clock
        self._entropy = entropy
        self._config = config or SubmitConfig()
        self._follower = follower or FollowerState()
        self._sending = Sending(peers, clock, self._config, ledger)

    @property
    def deployment(self) -> Deployment:
        """See `Registry`."""
        return self._ledger.deployment

    @property
    def parameters(self) -> Parameters:
        """See `Registry`."""
        return self._ledger.genesis.parameters

    async def submit(self, call: Call) -> Inclusion:
        """See `Registry`. Sends the same envelope again until it is answered or too late."""
        self._check_writable()
        envelope = self._sign(call, self._ledger.head.time)
        outcome = await self._sending.send(envelope)
        if outcome.refusal is Refusal.EXPIRED and outcome.time > envelope.deadline:
            # The own ledger was behind. That envelope can never take effect; another may.
            envelope = self._sign(call, outcome.time)
            outcome = await self._sending.send(envelope)
        return await self._included(outcome)

    def _check_writable(self) -> None:
        if self._ledger.contradiction is not None:
            raise UnavailableError(f"no calls are sent: {self._ledger.contradiction}")
        if self._follower.ahead is not None:
            raise UnavailableError(
                f"this node only reads: the chain is at {self._follower.ahead}, this machine's "
                f"clock at {int(self._clock.wall())}: set the clock, or have the sequencer's set"
            )

    def _sign(self, call: Call, time: int) -> Envelope:
        deadline = time + self._config.lifetime(self.parameters)
        nonce = Nonce(self._entropy.draw(16))
        return sign_envelope(call, self.deployment, self._signer, nonce, deadline)

    async def _included(self, outcome: Outcome) -> Inclusion:
        if outcome.height or outcome.refusal is Refusal.NONE:
            outcome = await self._confirmed(outcome)
        return inclusion(outcome)

    async def _confirmed(self, outcome: Outcome) -> Outcome:
        """The outcome by the own ledger: what a server says is not believed."""
        try:
            await within(self._clock, self._config.patience, self._ledger.reached(outcome.height))
        except TimeoutExpiredError as error:
            raise TimeoutExpiredError(
                f"the call is in block {outcome.height} by its server, but this node has got only "
                f"to block {self._ledger.head.height}: look again before you repeat it"
            ) from error
        own = self._ledger.outcome(outcome.transaction)
        if own is None or own.height != outcome.height:
            raise IntegrityError(
                f"the server says that the call is in block {outcome.height}, and it is not: "
                "do not trust this server; look whether the call took effect before you repeat it"
            )
        return own
