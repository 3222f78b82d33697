"""secp256k1: recoverable signatures over SHA-256 digests, and the addresses behind them.

Signatures are deterministic (RFC 6979), 65 bytes r || s || v with v in 0..1, and
have a low s (BIP 62), so that one key makes one signature of a digest. An address
is the last 20 bytes of the Keccak-256 of the public key.

The key library takes several tenths of a second to import, so it is loaded by the
first call that needs it.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING

from xdb.core.encoding import encode
from xdb.errors import IntegrityError
from xdb.model.ids import Address, Digest, Signature

if TYPE_CHECKING:
    from eth_keys.main import KeyAPI

_SIGNATURE = 65
_DIGEST = 32
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


def address_of(private_key: bytes) -> Address:
    """Whose key this is."""
    return Address(_keys().PrivateKey(private_key).public_key.to_canonical_address())


def sign(private_key: bytes, digest: Digest) -> Signature:
    """The signature of a digest; always the same one."""
    return Signature(_keys().PrivateKey(private_key).sign_msg_hash(digest).to_bytes())


def recover(digest: Digest, signature: Signature) -> Address:
    """Who signed `digest`; IntegrityError when no key fits or s is high.

    A signature of something else recovers to some unrelated address: compare it.
    """
    from eth_keys.exceptions import BadSignature  # noqa: PLC0415  # slow import
    from eth_utils.exceptions import ValidationError  # noqa: PLC0415

    _check(digest, signature)
    keys = _keys()
    try:
        key = keys.Signature(signature).recover_public_key_from_msg_hash(digest)
    except (BadSignature, ValidationError) as error:
        raise IntegrityError(
            "no key fits the signature: it is damaged; ask the signer for a new one"
        ) from error
    return Address(key.to_canonical_address())


def digest_of(domain: str, record: object) -> Digest:
    """What is signed: SHA256(be32(length of domain) || domain || canonical bytes of record)."""
    name = domain.encode()
    return Digest(
        hashlib.sha256(len(name).to_bytes(4, "big") + name + encode(record)).digest(),
    )


def _check(digest: Digest, signature: Signature) -> None:
    if len(digest) != _DIGEST:
        raise ValueError(f"a digest of {len(digest)} bytes")
    if len(signature) != _SIGNATURE:
        raise IntegrityError(
            f"a signature of {len(signature)} bytes where {_SIGNATURE} belong; sign again"
        )
    if signature[64] > 1:
        raise IntegrityError(f"signature with v = {signature[64]}: only 0 and 1 are taken")
    if int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
        raise IntegrityError("signature with a high s: only the low one is taken")


@cache
def _keys() -> KeyAPI:
    from eth_keys.backends.coincurve import CoinCurveECCBackend  # noqa: PLC0415
    from eth_keys.main import KeyAPI  # noqa: PLC0415  # slow import

    return KeyAPI(CoinCurveECCBackend())
