"""What a block does to the state: the rules, once for each of its envelopes.

A block is a pure function of the state before it, its time and its envelopes. Nobody
but these functions writes state, so whoever repeats them gets the same writes.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from xdb.blockchain.embedded.blocks import Transaction, writes_hash
from xdb.core.encoding import decode
from xdb.core.envelope import envelope_digest
from xdb.core.rules import Context, Reader, execute
from xdb.core.rules.state import NONCES
from xdb.core.wire import write_event
from xdb.errors import RefusedCallError
from xdb.model.calls import Envelope
from xdb.model.ids import Digest
from xdb.model.refusal import Refusal

USED_NONCES = b"\0"
"""Before be64(deadline) || key of a used nonce: which nonces may be forgotten when."""

FORGOTTEN_PER_BLOCK = 1024
"""More than a block can add, so that the list of used nonces does not grow."""

UNRECORDED = frozenset(
    {
        Refusal.MALFORMED,
        Refusal.WRONG_DEPLOYMENT,
        Refusal.BAD_SIGNATURE,
        Refusal.UNSUPPORTED,
    }
)
"""Refusals that stay out of blocks: a later version may understand what this one does not."""

Write = tuple[bytes, bytes | None]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one envelope."""

    transaction: Transaction
    digest: Digest
    reason: str


@dataclass(frozen=True, slots=True)
class Execution:
    """What a block does: results in order of its envelopes, writes in order of keys."""

    results: tuple[Result, ...]
    writes: tuple[Write, ...]
    writes_hash: Digest
    events: tuple[bytes, ...]

    @property
    def recorded(self) -> tuple[Transaction, ...]:
        """The transactions that belong into the block."""
        return tuple(
            result.transaction
            for result in self.results
            if result.transaction.refusal not in UNRECORDED
        )


def execute_block(context: Context, reader: Reader, envelopes: Sequence[Envelope]) -> Execution:
    """Executes a block at `context.time`."""
    state = Overlay(reader)
    _forget_nonces(context, reader, state)
    results, events = [], []
    for envelope in envelopes:
        digest = envelope_digest(envelope)
        try:
            effects = execute(context, state, envelope)
        except RefusedCallError as error:
            refusal, reason = Refusal(error.refusal), error.reason
        else:
            refusal, reason = Refusal.NONE, ""
            state.take(effects.writes)
            state.take(_remember_nonces(effects.writes))
            events += [write_event(event) for event in effects.events]
        results.append(Result(Transaction(envelope, refusal), digest, reason))
    writes = state.writes()
    return Execution(tuple(results), writes, writes_hash(writes), tuple(events))


def _remember_nonces(writes: Iterable[Write]) -> list[Write]:
    return [
        (USED_NONCES + decode(int, value).to_bytes(8, "big") + key, b"")
        for key, value in writes
        if value is not None and key.startswith(NONCES)
    ]


def _forget_nonces(context: Context, reader: Reader, state: "Overlay") -> None:
    # No envelope is taken after its deadline, so nobody asks for its nonce any more. Part of
    # the block, because a nonce that is forgotten could be used again.
    # They are in order of deadlines: nothing is read behind the first that is still of use.
    past = USED_NONCES + context.time.to_bytes(8, "big")
    used = reader.scan(USED_NONCES, FORGOTTEN_PER_BLOCK)
    due = [key for key, _ in takewhile(lambda pair: pair[0] < past, used)]
    state.take([(key, None) for key in due])
    state.take([(key[len(past) :], None) for key in due])


class Overlay:
    """A `Reader` of state as it will be after the writes taken so far."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._writes: dict[bytes, bytes | None] = {}
        self._keys: list[list[bytes]] = []  # of each take, in order

    def take(self, writes: Iterable[Write]) -> None:
        """Adds writes; later ones hide earlier ones."""
        taken = dict(writes)
        self._writes |= taken
        self._keys.append(sorted(taken))

    def writes(self) -> tuple[Write, ...]:
        """All writes, in order of keys."""
        return tuple(sorted(self._writes.items()))

    def get(self, key: bytes) -> bytes | None:
        """The value, or None."""
        return self._writes[key] if key in self._writes else self._reader.get(key)

    def scan(self, prefix: bytes, limit: int) -> Iterator[tuple[bytes, bytes]]:
        """The first `limit` pairs under `prefix`, in order of keys."""
        own = {key: self._writes[key] for keys in self._keys for key in _under(prefix, keys)}
        # Enough of what is below for `limit` to remain when all of `own` hides some of it.
        below = dict(self._reader.scan(prefix, limit + len(own)))
        pairs = sorted((below | own).items())
        found = [(key, value) for key, value in pairs if value is not None]
        return iter(found[:limit])


def _under(prefix: bytes, keys: list[bytes]) -> Iterator[bytes]:
    """Keys with a prefix, out of those in order: a block has many, and many of its calls ask."""
    for place in range(bisect_left(keys, prefix), len(keys)):
        if not keys[place].startswith(prefix):
            return
        yield keys[place]
