"""Transactions that are not final yet, as one key sent them, and what it spent.

An entry is written before its first bytes are sent, with every version that was ever
signed for its nonce: whichever of them a block has, the entry took effect, once.
"""

from dataclasses import dataclass, replace

from xdb.core.encoding import decode, encode
from xdb.errors import CorruptFileError
from xdb.model.ids import Address, Digest
from xdb.ports.kv import KeyValue

DAY = 86400

_ENTRIES = b"t/"
_SPENT = b"s/"
_NUMBER = 8


@dataclass(frozen=True, slots=True)
class Attempt:
    """A signed transaction. Fees in wei for a unit of gas."""

    hash: Digest
    raw: bytes
    fee: int
    tip: int


@dataclass(frozen=True, slots=True)
class Entry:
    """What one nonce is used for. The newest attempt is the last."""

    nonce: int
    to: Address
    data: bytes
    gas: int
    created: int  # unix seconds
    attempts: tuple[Attempt, ...]

    @property
    def last(self) -> Attempt:
        """The one that is sent now."""
        return self.attempts[-1]

    @property
    def cost(self) -> int:
        """What it costs at most, in wei."""
        return self.gas * max(attempt.fee for attempt in self.attempts)

    def again(self, attempt: Attempt) -> "Entry":
        """With one attempt more."""
        return replace(self, attempts=(*self.attempts, attempt))


class Journal:
    """The entries of one key. All writes are on the disk when they return."""

    def __init__(self, kv: KeyValue, sender: Address) -> None:
        self._kv = kv
        self._entries_key = _ENTRIES + sender
        self._spent_key = _SPENT + sender
        pairs = kv.scan(self._entries_key)
        self._entries = {entry.nonce: entry for _, value in pairs for entry in [_entry(value)]}

    @property
    def entries(self) -> list[Entry]:
        """In order of their nonces."""
        return [self._entries[nonce] for nonce in sorted(self._entries)]

    def entry(self, nonce: int) -> Entry | None:
        """What a nonce is used for."""
        return self._entries.get(nonce)

    async def put(self, entry: Entry) -> None:
        """Keeps an entry, in place of an older form of it."""
        await self._kv.write({self._key(entry.nonce): encode(entry)}, sync=True)
        self._entries[entry.nonce] = entry

    async def settle(self, nonce: int, cost: int, now: int) -> None:
        """Forgets an entry whose fate is final; it cost so many wei."""
        day = _day(now)
        spent = {self._spent_key + day: _amount(self.spent(now) + cost)}
        old: dict[bytes, bytes | None] = {
            key: None
            for key, _ in self._kv.scan(self._spent_key)
            if key < self._spent_key + _day(now - DAY)
        }
        await self._kv.write(old | spent | {self._key(nonce): None}, sync=True)
        self._entries.pop(nonce, None)

    def spent(self, now: int) -> int:
        """Wei of final transactions that were settled on the day of `now`, a unix time."""
        return int.from_bytes(self._kv.get(self._spent_key + _day(now)) or b"", "big")

    def committed(self) -> int:
        """Wei that the entries may still cost."""
        return sum(entry.cost for entry in self._entries.values())

    def _key(self, nonce: int) -> bytes:
        return self._entries_key + nonce.to_bytes(_NUMBER, "big")


def _day(now: int) -> bytes:
    return (max(now, 0) // DAY).to_bytes(_NUMBER, "big")


def _amount(wei: int) -> bytes:
    return wei.to_bytes(32, "big")


def _entry(value: bytes) -> Entry:
    try:
        return decode(Entry, value)
    except ValueError as error:
        raise CorruptFileError(
            f"an entry of the transaction journal is damaged ({error}): restore this node's "
            "directory chain from a backup, or look at the key's transactions before you remove it"
        ) from error
