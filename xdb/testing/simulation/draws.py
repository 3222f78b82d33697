"""What a life draws from its tape."""

from collections.abc import Sequence
from typing import TypeVar

from xdb.ports.entropy import Entropy
from xdb.store.formats import REPLICA_BODY

T = TypeVar("T")


def one_of(draw: Entropy, choices: Sequence[T]) -> T:
    """One of them; the first for zeros."""
    return choices[below(draw, len(choices))]


def below(draw: Entropy, bound: int) -> int:
    """A number from 0 on, below `bound`."""
    return int.from_bytes(draw.draw(8), "big") % bound


def fraction(draw: Entropy) -> float:
    """A part of one."""
    return int.from_bytes(draw.draw(4), "big") / 2**32


def flipped(data: bytes) -> bytes:
    """A replica's file with one bit of its body changed."""
    place = REPLICA_BODY + (len(data) - REPLICA_BODY) // 2
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
