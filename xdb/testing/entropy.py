"""Randomness from a seed."""

from hashlib import sha256


class SeededEntropy:
    """`Entropy` that a seed determines; every purpose has a stream of its own."""

    def __init__(self, seed: int | str = 0) -> None:
        self._key = sha256(f"entropy {seed}".encode()).digest()
        self._drawn = 0

    def draw(self, count: int) -> bytes:
        """See `Entropy`."""
        parts = []
        for _ in range(-(-count // 32)):
            parts.append(sha256(self._key + self._drawn.to_bytes(8, "big")).digest())
            self._drawn += 1
        return b"".join(parts)[:count]

    def stream(self, purpose: str) -> "SeededEntropy":
        """See `Entropy`."""
        return SeededEntropy(f"{self._key.hex()} {purpose}")
