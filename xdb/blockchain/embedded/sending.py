"""Sends one envelope to the servers of the embedded chain until it is answered or too late."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from xdb.blockchain.embedded.config import SubmitConfig
from xdb.blockchain.waiting import within
from xdb.core.envelope import envelope_digest
from xdb.errors import (
    AuthError,
    IntegrityError,
    OverloadedError,
    RefusedCallError,
    TimeoutExpiredError,
    UnavailableError,
    XdbError,
)
from xdb.model.calls import Envelope
from xdb.model.ids import Digest
from xdb.model.refusal import Refusal
from xdb.ports.blockchain import Inclusion
from xdb.ports.clock import Clock
from xdb.ports.peer import ChainPeer, Outcome, RemoteHead


class Known(Protocol):
    """What one knows of the chain without asking: a ledger is one."""

    @property
    def head(self) -> RemoteHead:
        """The newest block."""
        ...

    def outcome(self, transaction: Digest) -> Outcome | None:
        """What became of a transaction, None when that is not known."""
        ...


class Sending:
    """The servers; who answered last is asked first."""

    def __init__(
        self, peers: Sequence[ChainPeer], clock: Clock, config: SubmitConfig, known: Known
    ) -> None:
        self._peers = list(peers)
        self._clock = clock
        self._config = config
        self._known = known

    async def send(self, envelope: Envelope) -> Outcome:
        """The outcome by a server, or as it is known; the same envelope goes out until then."""
        transaction = envelope_digest(envelope)
        until = self._clock.monotonic() + self._config.patience
        pause = self._config.pause
        attempts = _Attempts()
        while True:
            outcome = await self._ask_all(envelope, attempts)
            outcome = outcome or self._known.outcome(transaction)
            if outcome is not None:
                return outcome
            if self._clock.monotonic() + pause > until:
                raise attempts.failure(envelope.deadline, self._known.head.time)
            await self._clock.sleep(pause)
            pause = min(2 * pause, self._config.longest_pause)

    async def _ask_all(self, envelope: Envelope, attempts: "_Attempts") -> Outcome | None:
        denied = 0
        for peer in tuple(self._peers):
            try:
                outcome = await within(self._clock, self._config.answer, peer.submit(envelope))
            except OverloadedError as error:
                attempts.error = error
            except (UnavailableError, IntegrityError) as error:
                attempts.error, attempts.lost = error, True
            except AuthError as error:
                attempts.error, denied = error, denied + 1
            else:
                self._prefer(peer)
                return outcome
        if denied == len(self._peers) and attempts.error is not None:
            raise attempts.error  # nobody will have us, however long we wait
        return None

    def _prefer(self, peer: ChainPeer) -> None:
        if self._peers[0] is not peer:
            self._peers.remove(peer)
            self._peers.insert(0, peer)


def inclusion(outcome: Outcome) -> Inclusion:
    """Where the call took effect; raises when it did not."""
    if outcome.refusal is Refusal.EXPIRED:
        raise UnavailableError(f"the call was not taken in time: try again ({outcome.reason})")
    if outcome.refusal is not Refusal.NONE:
        raise RefusedCallError(outcome.refusal, outcome.reason)
    return Inclusion(outcome.height, outcome.time, outcome.transaction)


@dataclass(slots=True)
class _Attempts:
    """How sending went so far; `lost` when a call may have been taken without an answer."""

    error: XdbError | None = None
    lost: bool = False

    def failure(self, deadline: int, time: int) -> XdbError:
        """The error to end with."""
        if self.error is not None and (not self.lost or time > deadline):
            return self.error
        return TimeoutExpiredError(
            f"no answer from the chain ({self.error}): the call takes effect before chain time "
            f"{deadline} or never; look again then, before you repeat it"
        )
