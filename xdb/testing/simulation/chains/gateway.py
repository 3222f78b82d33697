"""A node's side of a Fabric-like chain: a peer that lags, and a client that starts over."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from xdb.blockchain.waiting import within
from xdb.core.encoding import encode
from xdb.core.envelope import sign_envelope
from xdb.core.rules import Effects
from xdb.errors import RefusedCallError, TimeoutExpiredError, UnavailableError
from xdb.model.calls import Call, Envelope
from xdb.model.ids import Deployment, Digest, Nonce
from xdb.model.refusal import Refusal
from xdb.model.registry import Parameters
from xdb.ports.blockchain import ChainEvents, Inclusion, Registry
from xdb.ports.clock import Clock
from xdb.ports.entropy import Entropy
from xdb.ports.keys import Signer
from xdb.testing.simulation.chains.accounts import ViewEvents
from xdb.testing.simulation.chains.blocks import Ending
from xdb.testing.simulation.chains.notes import Notes
from xdb.testing.simulation.chains.versions import PHANTOM, Endorsed, Snapshot
from xdb.testing.simulation.chains.view import View
from xdb.testing.simulation.draws import fraction

ATTEMPTS = 12
"""Times that a call is executed before it is given up."""
STATUS = 15.0
"""Seconds in which it should be known what became of a transaction."""
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0


class Channel(Protocol):
    """What a peer's clients need of the chain."""

    notes: Notes
    parameters: Parameters
    deployment: Deployment

    def endorse(self, height: int, envelope: Envelope) -> tuple[Snapshot, Effects]:
        """Executes a call on the state behind a block; RefusedCallError."""
        ...

    def order(self, endorsed: Endorsed) -> None:
        """Hands an executed call to the orderers."""
        ...

    def tells(self) -> bool:
        """Whether a caller is told what became of its transaction."""
        ...


@dataclass(frozen=True, slots=True)
class FabricBackend:
    """`Backend` of one life of a node. Its peer is its own."""

    channel: Channel
    view: View
    clock: Clock
    draw: Entropy

    @property
    def deployment(self) -> Deployment:
        """See `Backend`."""
        return self.channel.deployment

    @property
    def parameters(self) -> Parameters:
        """See `Backend`."""
        return self.channel.parameters

    def registry(self, signer: Signer, entropy: Entropy) -> Registry:
        """See `Backend`."""
        return _FabricRegistry(self, signer, entropy)

    def events(self) -> ChainEvents:
        """See `Backend`."""
        return ViewEvents(self.view)

    async def run(self) -> None:
        """See `Backend`."""
        await self.view.run(lambda: None)

    async def tip(self) -> int:
        """See `Backend`."""
        self.view.check()
        self.view.take()
        return self.view.height


@dataclass(frozen=True, slots=True)
class _FabricRegistry:
    backend: FabricBackend
    signer: Signer
    entropy: Entropy

    @property
    def deployment(self) -> Deployment:
        return self.backend.deployment

    @property
    def parameters(self) -> Parameters:
        return self.backend.parameters

    async def submit(self, call: Call) -> Inclusion:
        """See `Registry`. One envelope however often it starts over, so that it counts once."""
        self.backend.view.check()
        return await _Submission(self.backend, self._sign(call)).outcome()

    def _sign(self, call: Call) -> Envelope:
        deadline = self.backend.view.time + self.parameters.envelope_lifetime
        nonce = Nonce(self.entropy.draw(16))
        return sign_envelope(call, self.deployment, self.signer, nonce, deadline)


class _Submission:
    """One envelope on its way."""

    def __init__(self, backend: FabricBackend, envelope: Envelope) -> None:
        self._backend = backend
        self._view = backend.view
        self._notes = backend.channel.notes
        self._envelope = envelope
        self._digest = Digest(sha256(encode(envelope)).digest())
        self._unknown = 0  # attempts of which it is not known what became

    async def outcome(self) -> Inclusion:
        """See `Registry.submit`."""
        pause = FIRST_PAUSE
        for attempt in range(ATTEMPTS):
            ending = await self._attempt(attempt)
            if ending is not None:
                return Inclusion(ending.height, ending.time, self._digest)
            await self._backend.clock.sleep(pause * (1 + fraction(self._backend.draw)))
            pause = min(2 * pause, LONGEST_PAUSE)
        if self._unknown:
            self._notes.reached("a call's outcome stayed unknown")
            raise TimeoutExpiredError(
                f"nobody says what became of the call, after {ATTEMPTS} attempts: look whether it "
                "took effect before you repeat it"
            )
        raise UnavailableError(f"others were faster {ATTEMPTS} times: try again")

    async def _attempt(self, attempt: int) -> Ending | None:
        """How it took effect; None when it is to start over."""
        try:
            self._view.check()
            self._view.take()
            executed = self._backend.channel.endorse(self._view.height, self._envelope)
        except UnavailableError:
            return None
        except RefusedCallError as error:
            return self._refused(error)
        if self._unknown:
            self._notes.reached("an envelope was sent again")
        made = Digest(sha256(self._digest + bytes([attempt])).digest())
        await self._backend.clock.sleep(fraction(self._backend.draw))
        self._backend.channel.order(Endorsed(made, self._digest, *executed))
        ending = await self._status(made)
        if ending is None:
            self._unknown += 1
        elif ending.stale:
            is_phantom = ending.stale == PHANTOM
            state = "a phantom was" if is_phantom else "an MVCC conflict was"
            self._notes.reached(f"{state} started over")
            return None
        return ending

    def _refused(self, error: RefusedCallError) -> Ending:
        """How an earlier attempt took effect, which is known by now; otherwise raises.

        What is refused now cannot take effect later by an earlier attempt: it would have read
        something that has changed, if only the time.
        """
        done = self._view.endings.get(self._digest)
        if done is not None:
            self._notes.reached("an envelope was sent twice and took effect once")
            return done
        if error.refusal == Refusal.EXPIRED and self._view.time > self._envelope.deadline:
            raise UnavailableError(f"the call was not taken in time: {error}") from error
        raise error

    async def _status(self, made: Digest) -> Ending | None:
        """What became of an attempt, None when the own peer does not know yet."""
        if self._backend.channel.tells():
            try:
                return await within(self._backend.clock, STATUS, self._ending(made))
            except TimeoutExpiredError:
                return None
        await self._backend.clock.sleep(STATUS)
        self._view.take()
        return self._view.endings.get(made)

    async def _ending(self, made: Digest) -> Ending:
        while (ending := self._view.endings.get(made)) is None:
            await self._view.moved()
        return ending
