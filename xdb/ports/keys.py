"""Signing and derived secrets. No caller ever sees a private key."""

from typing import Protocol

from xdb.model.ids import Address, Digest, Signature


class Signer(Protocol):
    """One secp256k1 key."""

    @property
    def address(self) -> Address:
        """Whose signatures these are."""
        ...

    def sign(self, digest: Digest) -> Signature:
        """Deterministic (RFC 6979), recoverable, low s."""
        ...


class Secrets(Protocol):
    """Secrets derived from one identity key."""

    def derive(self, label: str, context: bytes = b"") -> bytes:
        """32 bytes by HKDF-SHA-256; other labels or contexts give unrelated ones."""
        ...
