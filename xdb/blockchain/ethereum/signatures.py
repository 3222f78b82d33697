"""Receipt signatures in the compact form of EIP-2098, as the contract takes them."""

from xdb.model.ids import Signature

_HALF = 32


def compact_of(signature: Signature) -> tuple[bytes, bytes]:
    """r, and s with v as its highest bit; s is low, so that bit is free."""
    s = int.from_bytes(signature[_HALF : 2 * _HALF], "big") | signature[2 * _HALF] << 255
    return signature[:_HALF], s.to_bytes(_HALF, "big")


def whole_of(r: bytes, vs: bytes) -> Signature:
    """The 65 bytes that `compact_of` packed."""
    number = int.from_bytes(vs, "big")
    s = number & ((1 << 255) - 1)
    return Signature(r + s.to_bytes(_HALF, "big") + bytes((number >> 255,)))
