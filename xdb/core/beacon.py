"""A beacon's hash chain: one secret, a commitment, and a preimage for each epoch.

    commitment  = H^L(secret)
    preimage(e) = H^(L-1-e)(secret)        H = SHA-256, L = length

so that the commitment is e + 1 hashes after the preimage of epoch e, as
`core.rules.seeds` demands. Whoever sees the preimage of one epoch cannot tell that of a
later one; whoever has the secret can tell all.
"""

from hashlib import sha256
from math import isqrt

from xdb.core.keyring import BEACON, Secrets
from xdb.errors import ConfigError
from xdb.model.ids import Digest

LENGTH = 1 << 20
"""Epochs of a chain; an hour each, they last 119 years. Fixed: commitments depend on it."""


class HashChain:
    """A chain with checkpoints: made with `length` hashes, a preimage costs about the root."""

    def __init__(self, secret: bytes, length: int = LENGTH) -> None:
        if length < 1:
            raise ValueError(f"a chain of {length} epochs")
        self.length = length
        self._stride = isqrt(length)
        self._checkpoints: list[bytes] = []
        value = secret
        for place in range(length):
            if place % self._stride == 0:
                self._checkpoints.append(value)
            value = sha256(value).digest()
        self.commitment = Digest(value)

    def preimage(self, epoch: int) -> Digest:
        """What is revealed in `epoch`; ConfigError when the chain has ended."""
        if epoch < 0:
            raise ValueError(f"no epoch: {epoch}")
        if epoch >= self.length:
            raise ConfigError(
                f"the beacon's chain has {self.length} seeds and none for epoch {epoch}: this "
                "deployment's audits are over; a new deployment with longer epochs has others"
            )
        checkpoint, steps = divmod(self.length - 1 - epoch, self._stride)
        value = self._checkpoints[checkpoint]
        for _ in range(steps):
            value = sha256(value).digest()
        return Digest(value)

    def __repr__(self) -> str:
        """Without what must stay secret."""
        return f"HashChain({self.commitment.hex()})"


def beacon_chain(secrets: Secrets, context: bytes, length: int = LENGTH) -> HashChain:
    """The chain of a beacon's key in one deployment.

    `context` tells the deployment from every other one in which the key may serve: a chain
    that two shared would be revealed by the one that is ahead.
    """
    return HashChain(secrets.derive(BEACON, context), length)
