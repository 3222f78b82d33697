"""Transactions that wait for a block."""

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

from xdb.core.wire import write_call
from xdb.model.calls import Call
from xdb.model.ids import Address, Digest


@dataclass(frozen=True)
class Transaction:
    """A call from an account; `nonce` counts them. Without a call it only uses up its nonce.

    Of two with the same nonce the one with the higher `fee` stays.
    """

    account: bytes
    nonce: int
    sender: Address
    call: Call | None
    fee: int = 0

    @cached_property
    def id(self) -> Digest:
        """Its hash."""
        call = b"" if self.call is None else write_call(self.call)
        numbers = self.nonce.to_bytes(8, "big") + self.fee.to_bytes(8, "big")
        return Digest(sha256(self.account + numbers + call).digest())


class Mempool:
    """What waits, in the order in which it came."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[bytes, int], Transaction] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, transaction: Transaction) -> bool:
        """Takes a transaction; False when one of its nonce is there that pays as much."""
        key = (transaction.account, transaction.nonce)
        there = self._waiting.get(key)
        if there is not None and there.fee >= transaction.fee:
            return False
        self._waiting[key] = transaction
        return True

    def remove(self, transaction: Transaction) -> None:
        """It, or what replaced it, waits no more."""
        self._waiting.pop((transaction.account, transaction.nonce), None)

    def has(self, account: bytes, nonce: int) -> bool:
        """Whether something of that nonce waits."""
        return (account, nonce) in self._waiting

    def waiting(self) -> list[Transaction]:
        """All, the oldest first."""
        return list(self._waiting.values())

    def clear(self) -> int:
        """Forgets all; gives how many."""
        count = len(self._waiting)
        self._waiting.clear()
        return count
