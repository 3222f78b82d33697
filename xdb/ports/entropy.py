"""Randomness."""

from typing import Protocol


class Entropy(Protocol):
    """One stream of unpredictable bytes. Draws are independent of each other."""

    def draw(self, count: int) -> bytes:
        """`count` random bytes."""
        ...

    def stream(self, purpose: str) -> "Entropy":
        """A stream of its own for one purpose, so that one purpose's draws shift no other's."""
        ...
