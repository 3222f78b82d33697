"""The machine's randomness."""

import os


class SystemEntropy:
    """`Entropy` of the operating system; all its streams are the same good one."""

    def draw(self, count: int) -> bytes:
        """See `Entropy`."""
        return os.urandom(count)

    def stream(self, purpose: str) -> "SystemEntropy":  # noqa: ARG002  # all are alike
        """See `Entropy`."""
        return self
