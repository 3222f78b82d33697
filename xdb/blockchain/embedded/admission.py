"""What the sequencer lets wait for a block: what is sound, and within limits."""

from dataclasses import dataclass

from xdb.blockchain.embedded.config import SequencerConfig
from xdb.core.envelope import envelope_digest
from xdb.core.signing import recover
from xdb.errors import IntegrityError, OverloadedError, RefusedCallError
from xdb.model.calls import Envelope
from xdb.model.ids import Address, Deployment
from xdb.model.refusal import Refusal
from xdb.model.registry import Parameters
from xdb.ports.clock import Clock

_MOST_SENDERS = 10_000


def check_envelope(envelope: Envelope, deployment: Deployment, longest: int) -> None:
    """Refuses what cannot be charged to anybody; RefusedCallError."""
    if len(envelope.call) > longest:
        raise RefusedCallError(
            Refusal.TOO_LARGE,
            f"a call of {len(envelope.call)} bytes, {longest} are the most: send several",
        )
    if (envelope.chain, envelope.contract) != (deployment.chain, deployment.contract):
        raise RefusedCallError(
            Refusal.WRONG_DEPLOYMENT,
            f"signed for chain {envelope.chain.hex()}, this is {deployment.chain.hex()}: "
            "sign it for this chain or send it to the other",
        )
    try:
        signer = recover(envelope_digest(envelope), envelope.signature)
    except IntegrityError as error:
        raise RefusedCallError(Refusal.BAD_SIGNATURE, str(error)) from error
    if signer != envelope.sender:
        raise RefusedCallError(
            Refusal.BAD_SIGNATURE,
            f"not signed by its sender {envelope.sender.hex()}, or changed afterwards: "
            "sign it again with the sender's key",
        )


def check_deadline(envelope: Envelope, parameters: Parameters, time: int) -> None:
    """Refuses what is, or may be, past its deadline before it gets a block."""
    latest = time + parameters.envelope_lifetime
    if not time <= envelope.deadline <= latest:
        raise RefusedCallError(
            Refusal.EXPIRED,
            f"the deadline {envelope.deadline} is not between {time} (chain time) and {latest}: "
            "sign the call again with a deadline between",
        )


@dataclass(slots=True)
class _Bucket:
    """Calls a sender may still make, as of a time of the monotonic clock."""

    calls: float
    at: float


class SpamLimit:
    """A token bucket per sender. Whoever could make a full burst is not remembered."""

    def __init__(self, config: SequencerConfig, clock: Clock) -> None:
        self._rate = config.calls_per_second
        self._burst = float(config.burst)
        self._clock = clock
        self._buckets: dict[Address, _Bucket] = {}

    def charge(self, sender: Address) -> None:
        """Takes one call from the sender; OverloadedError when there is none left."""
        now = self._clock.monotonic()
        bucket = self._buckets.pop(sender, None) or _Bucket(self._burst, now)
        bucket.calls = min(self._burst, bucket.calls + (now - bucket.at) * self._rate)
        bucket.at = now
        self._buckets[sender] = bucket  # the newest last
        self._forget(now)
        if bucket.calls < 1:
            raise OverloadedError(
                f"{sender.hex()} sends more than {self._rate:g} calls a second: wait a moment, "
                "and put several files into one call"
            )
        bucket.calls -= 1

    def _forget(self, now: float) -> None:
        full = self._burst / self._rate
        while len(self._buckets) > 1:
            sender, oldest = next(iter(self._buckets.items()))
            if now - oldest.at < full and len(self._buckets) <= _MOST_SENDERS:
                return
            del self._buckets[sender]
