"""Every secret comes from one identity key by HKDF-SHA-256 under a label of its own.

A label is used for one purpose and never for another one.
"""

import hmac
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from xdb.core.encoding import encode
from xdb.core.wire import parse, to_message, to_record
from xdb.errors import IntegrityError
from xdb.model.ids import FileId, Tag
from xdb.model.manifest import Label
from xdb.pb import manifest_pb2

KEY_ENCRYPTION = "xdb/v1/key-encryption"
NAME_TAG = "xdb/v1/name-tag"
NAMESPACE_TAG = "xdb/v1/namespace-tag"
LABEL = "xdb/v1/label"
NAMESPACE_SEALING = "xdb/v1/namespace-sealing"
FILE_SEALING = "xdb/v1/file-sealing"
SLOT_SEALING = "xdb/v1/slot-sealing"
MANIFEST_PRIVATE = "xdb/v1/manifest-private"
MANIFEST_NONCE = "xdb/v1/manifest-nonce"
HPKE_SEED = "xdb/v1/hpke-seed"
PAIRING_SECRET = "xdb/v1/pairing-secret"  # noqa: S105  # a label
BEACON = "xdb/v1/beacon"

NONCE = 12


class Secrets(Protocol):
    """Secrets derived from one identity key."""

    def derive(self, label: str, context: bytes = b"") -> bytes:
        """32 bytes, by `derive` of this module."""
        ...


@dataclass(frozen=True, slots=True)
class _Purpose:
    """The info of a derivation, and what is authenticated beside a label."""

    label: str
    context: bytes


@dataclass(frozen=True, slots=True)
class _NamePlace:
    namespace: Tag
    name: str


def derive(secret: bytes, label: str, context: bytes = b"") -> bytes:
    """32 bytes of HKDF-SHA-256 without salt; the info is label and context, length-prefixed."""
    info = encode(_Purpose(label, context))
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret)


def file_kek(secrets: Secrets, file: FileId) -> bytes:
    """The key under which the owner wraps the content key of one file."""
    return secrets.derive(KEY_ENCRYPTION, file)


def namespace_tag(secrets: Secrets, name: str) -> Tag:
    """What the chain sees of a namespace's name."""
    return _tag(secrets.derive(NAMESPACE_TAG), name.encode())


def name_tag(secrets: Secrets, namespace: Tag, name: str) -> Tag:
    """What the chain sees of a file's name; the same name differs between namespaces."""
    return _tag(secrets.derive(NAME_TAG), encode(_NamePlace(namespace, name)))


def _tag(key: bytes, message: bytes) -> Tag:
    return Tag(hmac.digest(key, message, sha256))


def encrypt_label(
    secrets: Secrets, context: bytes, nonce: bytes, name: str, description: str
) -> bytes:
    """Name and description under AES-256-GCM with a fresh random `nonce` of 12 bytes, in front.

    `context` is the file id or namespace tag the label belongs to; it opens nowhere else.
    """
    if len(nonce) != NONCE:
        raise ValueError(f"{len(nonce)} bytes of nonce where {NONCE} belong")
    message = to_message(Label(name, description), manifest_pb2.Label)
    plain = message.SerializeToString(deterministic=True)
    place = encode(_Purpose(LABEL, context))
    return nonce + AESGCM(secrets.derive(LABEL)).encrypt(nonce, plain, place)


def decrypt_label(secrets: Secrets, context: bytes, data: bytes) -> Label:
    """The label; IntegrityError when it is none of this owner, or not the one of `context`."""
    place = encode(_Purpose(LABEL, context))
    try:
        plain = AESGCM(secrets.derive(LABEL)).decrypt(data[:NONCE], data[NONCE:], place)
        return to_record(parse(plain, manifest_pb2.Label), Label)
    except (InvalidTag, ValueError) as error:
        raise IntegrityError(
            f"the label of {context.hex()} does not decrypt: it was written under another key "
            "or for something else"
        ) from error
