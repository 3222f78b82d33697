"""EIP-1559 transactions (EIP-2718 type 2): their bytes, signed by a key nobody sees."""

from collections.abc import Sequence
from dataclasses import dataclass

from Crypto.Hash import keccak

from xdb.model.ids import Address, Digest
from xdb.ports.keys import Signer

TYPE = b"\x02"

Item = bytes | Sequence["Item"]


@dataclass(frozen=True, slots=True)
class Draft:
    """A transaction, not yet signed. Fees in wei for a unit of gas; the registry takes no value."""

    chain: int
    nonce: int
    tip: int
    fee: int
    gas: int
    to: Address
    data: bytes
    value: int = 0  # wei


@dataclass(frozen=True, slots=True)
class Signed:
    """Its bytes as they are sent, and the hash by which the chain knows it."""

    raw: bytes
    hash: Digest


def sign_transaction(draft: Draft, signer: Signer) -> Signed:
    """Always the same bytes for the same draft."""
    fields: list[Item] = [
        number(draft.chain),
        number(draft.nonce),
        number(draft.tip),
        number(draft.fee),
        number(draft.gas),
        draft.to,
        number(draft.value),
        draft.data,
        [],
    ]
    signature = signer.sign(keccak256(TYPE + rlp(fields)))
    parts = (signature[64], *(int.from_bytes(signature[i : i + 32], "big") for i in (0, 32)))
    raw = TYPE + rlp(fields + [number(part) for part in parts])
    return Signed(raw, keccak256(raw))


def keccak256(octets: bytes) -> Digest:
    """The chain's hash."""
    return Digest(keccak.new(digest_bits=256, data=octets).digest())


def number(value: int) -> bytes:
    """A number as RLP takes it: without leading zeros."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def rlp(item: Item) -> bytes:
    """Recursive length prefix (Ethereum yellow paper, appendix B)."""
    if isinstance(item, bytes | bytearray | memoryview):
        octets = bytes(item)
        if len(octets) == 1 and octets[0] < 0x80:  # noqa: PLR2004  # of the definition
            return octets
        return _length(len(octets), 0x80) + octets
    inner = b"".join(rlp(part) for part in item)
    return _length(len(inner), 0xC0) + inner


def _length(length: int, offset: int) -> bytes:
    if length <= 55:  # noqa: PLR2004  # of the definition
        return bytes((offset + length,))
    width = number(length)
    return bytes((offset + 55 + len(width),)) + width
