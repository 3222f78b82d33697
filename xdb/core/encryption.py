"""Slices under AES-256-GCM in STREAM mode (Hoang, Reyhanitabar, Rogaway, Vizar 2015).

The nonce is a random prefix of the file, the slice's number and a flag on the last
slice, so that slices cannot be swapped, dropped or repeated. The tag ends the ciphertext.
"""

from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from xdb.core.encoding import encode
from xdb.errors import IntegrityError
from xdb.model.buffer import Buffer
from xdb.model.ids import FileId

FORMAT = "xdb/v1/slice"
KEY = 32
PREFIX = 7


@dataclass(frozen=True, slots=True)
class _Place:
    """What is authenticated beside a slice."""

    format: str
    file: FileId
    index: int
    last: bool


def encrypt_slice(  # noqa: PLR0913, PLR0917  # a slice and its place
    key: bytes,
    prefix: bytes,
    file: FileId,
    index: int,
    last: bool,  # noqa: FBT001
    plaintext: Buffer,
) -> bytes:
    """Ciphertext and tag. A key, prefix and index must never see two plaintexts."""
    place = encode(_Place(FORMAT, file, index, last))
    return AESGCM(key).encrypt(_nonce(prefix, index, last), plaintext, place)


def decrypt_slice(  # noqa: PLR0913, PLR0917  # a slice and its place
    key: bytes,
    prefix: bytes,
    file: FileId,
    index: int,
    last: bool,  # noqa: FBT001
    ciphertext: Buffer,
) -> bytes:
    """The plaintext; IntegrityError when it is not this slice of this file under this key."""
    place = encode(_Place(FORMAT, file, index, last))
    try:
        return AESGCM(key).decrypt(_nonce(prefix, index, last), ciphertext, place)
    except InvalidTag as error:
        raise IntegrityError(
            f"slice {index} of file {file.hex()} does not decrypt: it is damaged, out of place, "
            "or the key belongs to another file; read it from another holder"
        ) from error


def _nonce(prefix: bytes, index: int, last: bool) -> bytes:  # noqa: FBT001
    if len(prefix) != PREFIX:
        raise ValueError(f"{len(prefix)} bytes of nonce prefix where {PREFIX} belong")
    return prefix + index.to_bytes(4, "big") + bytes((last,))
