"""What endpoints say to a transaction that they are sent."""

from collections.abc import Iterable
from enum import IntEnum


class Taken(IntEnum):
    """The better an answer, the higher: what the best endpoint says counts."""

    UNKNOWN = 0  # no answer, or one that says nothing of the transaction
    UNDERPRICED = 1
    NO_FUNDS = 2
    NONCE_USED = 3
    YES = 4


_WORDS = (
    (Taken.YES, ("already known", "already_exists", "already imported", "known transaction")),
    (Taken.YES, ("already in mempool", "alreadyknown", "transaction already")),
    (Taken.NO_FUNDS, ("insufficient funds", "insufficient balance", "lack of funds")),
    (
        Taken.NO_FUNDS,
        ("insufficientfunds", "exceeds account balance", "sender doesn't have enough funds"),
    ),
    (Taken.NONCE_USED, ("nonce too low", "oldnonce", "nonce_too_low", "nonce is too low")),
    (Taken.UNDERPRICED, ("underpriced", "feetoolow", "fee too low", "less than block base fee")),
    (Taken.UNDERPRICED, ("replacementnotallowed", "gas price too low", "fee cap too low")),
    (Taken.UNDERPRICED, ("max fee per gas less", "below current minimum", "feetoolowtocompete")),
)
"""Parts of the sentences of geth, erigon, nethermind, besu, reth and anvil, in lower case."""


def meaning(message: str) -> Taken:
    """What a refusal means, by its sentence: there are no numbers for it."""
    text = message.lower()
    for taken, parts in _WORDS:
        if any(part in text for part in parts):
            return taken
    return Taken.UNKNOWN


def best(answers: Iterable[Taken]) -> Taken:
    """What counts when several endpoints answer."""
    return max(answers, default=Taken.UNKNOWN)
