"""The sequencer: makes blocks of the calls it is sent.

A lone call gets a block at once. While a block is executed and written, calls wait, and
the next block takes all of them, so that a burst shares the cost of writing.
"""

import asyncio
from collections import Counter, deque
from dataclasses import dataclass, field

from xdb.blockchain.embedded.admission import SpamLimit, check_deadline, check_envelope
from xdb.blockchain.embedded.config import SequencerConfig
from xdb.blockchain.embedded.ledger import Ledger
from xdb.blockchain.waiting import together
from xdb.core.envelope import envelope_digest
from xdb.errors import ConfigError, OverloadedError, RefusedCallError, UnavailableError
from xdb.model.calls import Envelope
from xdb.model.ids import Address, Digest
from xdb.model.refusal import Refusal
from xdb.ports.clock import Clock
from xdb.ports.keys import Signer
from xdb.ports.peer import Outcome

ENVELOPE_OVERHEAD = 256
"""Bytes of an envelope in a block beside its call, rounded up."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """A call that is in no block yet, and whoever waits for it."""

    envelope: Envelope
    digest: Digest
    done: asyncio.Event = field(default_factory=asyncio.Event)
    outcome: Outcome | None = None

    @property
    def size(self) -> int:
        """Bytes it adds to a block."""
        return len(self.envelope.call) + ENVELOPE_OVERHEAD


class Sequencer:
    """The only writer of a chain. `run` makes the blocks; `submit` may be called meanwhile.

    Chain time follows the clock and never goes back.
    """

    def __init__(
        self, ledger: Ledger, signer: Signer, clock: Clock, config: SequencerConfig | None = None
    ) -> None:
        if signer.address != ledger.genesis.sequencer:
            raise ConfigError(
                f"the key is that of {signer.address.hex()}, the genesis names the sequencer "
                f"{ledger.genesis.sequencer.hex()}: give the sequencer's keystore"
            )
        self._ledger = ledger
        self._signer = signer
        self._clock = clock
        self._config = config or SequencerConfig()
        self._limit = SpamLimit(self._config, clock)
        self._queue: deque[_Waiting] = deque()
        self._waiting: dict[Digest, _Waiting] = {}
        self._senders: Counter[Address] = Counter()
        self._wanted = asyncio.Event()
        self._last_block = clock.monotonic()
        self._stopped = False

    @property
    def time(self) -> int:
        """Chain time of a block made now."""
        return max(int(self._clock.wall()), self._ledger.head.time)

    async def submit(self, envelope: Envelope) -> Outcome:
        """Returns when the call is in a block; the same envelope again gives the same outcome.

        What is not signed by its sender, past its deadline or malformed is answered with
        height 0 and is in no block. OverloadedError over a limit, UnavailableError when
        no more blocks are made.
        """
        try:
            item = self._known(envelope) or self._admit(envelope)
        except RefusedCallError as error:
            return Outcome(
                0, self.time, Refusal(error.refusal), error.reason, envelope_digest(envelope)
            )
        await item.done.wait()
        if item.outcome is None:
            raise UnavailableError(
                "the sequencer stopped before the call was in a block: send it again"
            )
        return item.outcome

    async def run(self) -> None:
        """Makes blocks until it is cancelled or the ledger fails; then nothing waits any more."""
        try:
            await together(self._ticks(), self._blocks())
        finally:
            self._stopped = True
            for item in self._waiting.values():
                item.done.set()

    async def make_block(self) -> None:
        """Makes one block of what waits, or an empty one."""
        batch = self._take()
        outcomes = await self._ledger.extend(
            self.time, [item.envelope for item in batch], self._signer
        )
        self._last_block = self._clock.monotonic()
        for item, outcome in zip(batch, outcomes, strict=True):
            del self._waiting[item.digest]
            self._senders[item.envelope.sender] -= 1
            item.outcome = outcome
            item.done.set()
        self._senders += Counter()  # drops zeros

    def _known(self, envelope: Envelope) -> _Waiting | None:
        check_envelope(envelope, self._ledger.deployment, self._config.envelope)
        digest = envelope_digest(envelope)
        outcome = self._ledger.outcome(digest)
        if outcome is None:
            return self._waiting.get(digest)
        item = _Waiting(envelope, digest, outcome=outcome)
        item.done.set()
        return item

    def _admit(self, envelope: Envelope) -> _Waiting:
        check_deadline(envelope, self._ledger.genesis.parameters, self.time)
        if self._stopped:
            raise UnavailableError("the sequencer has stopped: wait until it runs again")
        self._limit.charge(envelope.sender)
        config = self._config
        if (
            len(self._waiting) >= config.waiting
            or self._senders[envelope.sender] >= config.waiting_per_sender
        ):
            raise OverloadedError(
                f"{len(self._waiting)} calls wait for a block, "
                f"{self._senders[envelope.sender]} of them from {envelope.sender.hex()}: "
                "wait a moment and send it again"
            )
        item = _Waiting(envelope, envelope_digest(envelope))
        self._waiting[item.digest] = item
        self._senders[envelope.sender] += 1
        self._queue.append(item)
        self._wanted.set()
        return item

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while self._queue and len(batch) < self._config.block_calls:
            size += self._queue[0].size
            if batch and size > self._config.block_size:
                break
            batch.append(self._queue.popleft())
        return batch

    async def _blocks(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            await self.make_block()
            if self._queue:
                self._wanted.set()

    async def _ticks(self) -> None:
        tick = self._ledger.genesis.tick
        while True:
            rest = self._last_block + tick - self._clock.monotonic()
            if rest <= 0:
                self._wanted.set()
                rest = tick
            await self._clock.sleep(rest)
