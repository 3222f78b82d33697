"""Keystore files of Ethereum, version 3 ("Web3 Secret Storage"): as wallets write and read them.

Key derivation by scrypt, or PBKDF2 in files of others; AES-128-CTR; a Keccak-256 checksum
over the second half of the derived key and the ciphertext, which cannot tell a wrong
password from damage.
"""

from hmac import compare_digest
from typing import Any

from Crypto.Hash import keccak
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

VERSION = 3
SALT, IV, UUID = 16, 16, 16
"""Random bytes that a new file needs."""
_KEY = 32
_HALF = 16
_BLOCK = 8  # scrypt's r
_LARGEST_N = 1 << 22
_MOST_MEMORY = 2 << 30
_MOST_ROUNDS = 1 << 26


def encrypt_key(
    private_key: bytes, address: bytes, password: bytes, *, scrypt_n: int, random: bytes
) -> dict[str, Any]:
    """The file's content; `random` are `SALT + IV + UUID` fresh bytes."""
    salt, iv, identity = random[:SALT], random[SALT : SALT + IV], random[SALT + IV :]
    kdf = {"dklen": _KEY, "n": scrypt_n, "p": 1, "r": _BLOCK, "salt": salt.hex()}
    derived = _scrypt(kdf, password)
    ciphertext = _cipher(derived, iv, private_key)
    return {
        "address": address.hex(),
        "crypto": {
            "cipher": "aes-128-ctr",
            "cipherparams": {"iv": iv.hex()},
            "ciphertext": ciphertext.hex(),
            "kdf": "scrypt",
            "kdfparams": kdf,
            "mac": _checksum(derived, ciphertext).hex(),
        },
        "id": _uuid(identity),
        "version": VERSION,
    }


def decrypt_key(content: dict[str, Any], password: bytes) -> bytes:
    """The private key; ValueError, KeyError or TypeError for another password or content."""
    content = {key.lower(): value for key, value in content.items()}
    crypto = content["crypto"]
    if content["version"] != VERSION or crypto["cipher"] != "aes-128-ctr":
        raise ValueError("not a keystore of version 3")
    derived = _derive(crypto["kdf"], crypto["kdfparams"], password)
    ciphertext = bytes.fromhex(crypto["ciphertext"])
    if not compare_digest(_checksum(derived, ciphertext), bytes.fromhex(crypto["mac"])):
        raise ValueError("the checksum differs")
    key = _cipher(derived, bytes.fromhex(crypto["cipherparams"]["iv"]), ciphertext)
    if len(key) != _KEY:
        raise ValueError(f"a key of {len(key)} bytes")
    return key


def _derive(kdf: str, parameters: dict[str, Any], password: bytes) -> bytes:
    if parameters["dklen"] != _KEY:
        raise ValueError("derived keys must have 32 bytes")
    match kdf:
        case "scrypt":
            return _scrypt(parameters, password)
        case "pbkdf2":
            return _pbkdf2(parameters, password)
    raise ValueError(f"key derivation {kdf!r} is not known")


def _scrypt(parameters: dict[str, Any], password: bytes) -> bytes:
    n, r, p = parameters["n"], parameters["r"], parameters["p"]
    if not (0 < n <= _LARGEST_N and 0 < r * p <= 2 * _BLOCK * _HALF):
        raise ValueError("scrypt parameters out of range")
    if 128 * n * r > _MOST_MEMORY:
        raise ValueError("scrypt parameters that want more memory than machines have")
    salt = bytes.fromhex(parameters["salt"])
    if n < 1 << (16 * r):
        return Scrypt(salt, _KEY, n, r, p).derive(password)
    # Some wallets chose n larger than RFC 7914 allows for their r, and OpenSSL refuses.
    from Crypto.Protocol.KDF import scrypt  # noqa: PLC0415  # seldom needed

    derived: bytes = scrypt(password, salt, _KEY, n, r, p)  # type: ignore[arg-type, assignment]
    return derived


def _pbkdf2(parameters: dict[str, Any], password: bytes) -> bytes:
    rounds = parameters["c"]
    if parameters["prf"] != "hmac-sha256" or not 0 < rounds <= _MOST_ROUNDS:
        raise ValueError("PBKDF2 parameters out of range")
    return PBKDF2HMAC(SHA256(), _KEY, bytes.fromhex(parameters["salt"]), rounds).derive(password)


def _cipher(derived: bytes, iv: bytes, data: bytes) -> bytes:
    return Cipher(AES(derived[:_HALF]), CTR(iv)).encryptor().update(data)


def _checksum(derived: bytes, ciphertext: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=derived[_HALF:] + ciphertext).digest()


def _uuid(random: bytes) -> str:
    # version 4, variant 1 (RFC 9562)
    data = bytearray(random)
    data[6] = data[6] & 0x0F | 0x40
    data[8] = data[8] & 0x3F | 0x80
    text = data.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
