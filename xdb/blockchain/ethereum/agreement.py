"""Which answer enough endpoints give."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def reached_by(numbers: Sequence[int], quorum: int) -> int:
    """The highest number that at least `quorum` of them have reached."""
    return sorted(numbers, reverse=True)[quorum - 1]


def majority(answers: Sequence[T], quorum: int) -> tuple[T] | None:
    """The answer that at least `quorum` give, and more than give any other; else None.

    In a tuple, as None may be an answer.
    """
    counts = [(answers.count(answer), answer) for answer in answers]
    most = max((count for count, _ in counts), default=0)
    if most < quorum:
        return None
    winner = next(answer for count, answer in counts if count == most)
    if any(count == most and answer != winner for count, answer in counts):
        return None
    return (winner,)
