"""secp256k1: recoverable signatures over SHA-256 digests, and the addresses behind them.

Signatures are deterministic (RFC 6979), 65 bytes r || s || v with v in 0..1, and
have a low s (BIP 62), so that one key makes one signature of a digest. An address
is the last 20 bytes of the Keccak-256 of the public key.

libsecp256k1 is called directly: the libraries above it take several tenths of a second
to import, which every command would wait for.
"""

import hashlib
from functools import lru_cache

import coincurve
from Crypto.Hash import keccak

from xdb.core.encoding import encode
from xdb.errors import IntegrityError
from xdb.model.ids import Address, Digest, Signature

_SIGNATURE = 65
_DIGEST = 32
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


def address_of(private_key: bytes) -> Address:
    """Whose key this is."""
    return _address(coincurve.PrivateKey(private_key).public_key)


def sign(private_key: bytes, digest: Digest) -> Signature:
    """The signature of a digest; always the same one."""
    _check_digest(digest)
    return Signature(_key(private_key).sign_recoverable(digest, hasher=None))


def recover(digest: Digest, signature: Signature) -> Address:
    """Who signed `digest`; IntegrityError when no key fits or s is high.

    A signature of something else recovers to some unrelated address: compare it.
    """
    _check_digest(digest)
    _check_signature(signature)
    try:
        key = coincurve.PublicKey.from_signature_and_message(signature, digest, hasher=None)
    except ValueError as error:  # the library's word for both of its refusals
        raise IntegrityError(
            "no key fits the signature: it is damaged; ask the signer for a new one"
        ) from error
    return _address(key)


def digest_of(domain: str, record: object) -> Digest:
    """What is signed: SHA256(be32(length of domain) || domain || canonical bytes of record)."""
    name = domain.encode()
    return Digest(
        hashlib.sha256(len(name).to_bytes(4, "big") + name + encode(record)).digest(),
    )


@lru_cache(maxsize=8)
def _key(private_key: bytes) -> coincurve.PrivateKey:
    # Making one computes its public key, which takes longer than a signature.
    return coincurve.PrivateKey(private_key)


def _address(key: coincurve.PublicKey) -> Address:
    point = key.format(compressed=False)[1:]
    return Address(keccak.new(digest_bits=256, data=point).digest()[-20:])


def _check_digest(digest: Digest) -> None:
    if len(digest) != _DIGEST:
        raise ValueError(f"a digest of {len(digest)} bytes")


def _check_signature(signature: Signature) -> None:
    if len(signature) != _SIGNATURE:
        raise IntegrityError(
            f"a signature of {len(signature)} bytes where {_SIGNATURE} belong; sign again"
        )
    if signature[64] > 1:
        raise IntegrityError(f"signature with v = {signature[64]}: only 0 and 1 are taken")
    if int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
        raise IntegrityError("signature with a high s: only the low one is taken")
