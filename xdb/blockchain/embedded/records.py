"""Where a ledger keeps what in its key-value store.

====================================  ===================================================
key                                   value
====================================  ===================================================
``m/format``                          1, 8 bytes
``m/genesis``                         Genesis
``m/head``                            HeadRecord
``s`` state key                       the state's value
``b`` height                          Block
``e`` height                          EventsRecord
``o`` transaction                     OutcomeRecord
``q`` time transaction                empty: after this time the outcome may be forgotten
``v`` height block id                 a second block of that height, as evidence
====================================  ===================================================

Heights and times have 8 bytes, big endian. All of one block is written in one batch.
"""

from dataclasses import dataclass

from xdb.model.ids import Digest
from xdb.model.refusal import Refusal

FORMAT = 1
FORMAT_KEY = b"m/format"
GENESIS_KEY = b"m/genesis"
HEAD_KEY = b"m/head"
STATE = b"s"
BLOCKS = b"b"
EVENTS = b"e"
OUTCOMES = b"o"
OUTCOME_ENDS = b"q"
EVIDENCE = b"v"


@dataclass(frozen=True, slots=True)
class HeadRecord:
    """The newest block."""

    height: int
    block: Digest
    time: int


@dataclass(frozen=True, slots=True)
class EventsRecord:
    """A block's events as `core.wire` writes them, kept so that nobody executes it again."""

    time: int
    events: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class OutcomeRecord:
    """What became of a transaction."""

    height: int
    position: int
    time: int
    refusal: Refusal
    reason: str


def numbered(prefix: bytes, number: int) -> bytes:
    """The key of a height or time."""
    return prefix + number.to_bytes(8, "big")
