"""Identifiers. All are raw bytes; hexadecimal appears only at edges."""

from dataclasses import dataclass
from typing import NewType

Address = NewType("Address", bytes)
"""A principal: the last 20 bytes of the Keccak-256 of its secp256k1 public key."""

NodeId = NewType("NodeId", Address)
"""The address of a storage node's cold key."""

Digest = NewType("Digest", bytes)
"""SHA-256, 32 bytes."""

FileId = NewType("FileId", bytes)
"""32 bytes: SHA-256 over domain, deployment, owner and a random nonce."""

Tag = NewType("Tag", bytes)
"""32 bytes: HMAC of a name under an owner's key; equal names give equal tags."""

Nonce = NewType("Nonce", bytes)
"""16 random bytes."""

Signature = NewType("Signature", bytes)
"""65 bytes: r, s, v with v in 0..1."""

ChainId = NewType("ChainId", bytes)
"""32 bytes: the genesis hash of an embedded chain, the number of an Ethereum chain."""

WIDTHS: dict[object, int] = {
    Address: 20,
    NodeId: 20,
    Digest: 32,
    FileId: 32,
    Tag: 32,
    Nonce: 16,
    Signature: 65,
    ChainId: 32,
}
"""Bytes of every fixed-width identifier."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One registry on one chain; everything signed names it."""

    chain: ChainId
    contract: Address
