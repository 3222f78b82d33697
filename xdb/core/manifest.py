"""The manifest: how a file is cut, coded and sealed, with a commitment to every replica.

Its stored bytes are hashed exactly as they are. Whoever reads one takes it from a
stranger: everything is bounded and must agree with itself.
"""

import hmac
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from typing import NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from xdb.core.coding import MAX_SLOTS, piece_length
from xdb.core.encryption import PREFIX
from xdb.core.fields import check_field_count
from xdb.core.keyring import MANIFEST_NONCE, MANIFEST_PRIVATE, NONCE, derive
from xdb.core.merkle import file_root, holding_root
from xdb.core.slicing import MAX_SLICES, TAG, Layout, is_slice_size
from xdb.core.wire import parse, to_message, to_record
from xdb.errors import IntegrityError, InvalidRequestError
from xdb.model.ids import Digest, FileId
from xdb.model.manifest import Manifest, PrivatePart, SlotCommitment
from xdb.model.registry import Coding, FileRecord, Redundancy
from xdb.model.storage import Commitment
from xdb.pb import manifest_pb2, registry_pb2

VERSION = 1
LIMIT = 64 * 1024 * 1024
"""A manifest has fewer bytes."""

SMALLEST_LEAF, LARGEST_LEAF = 64, 65536
MAX_PRIVATE = 64 * 1024
WRAPPED_KEY = 40
"""Bytes of a wrapped 32-byte key."""

_DIGEST = 32
_OTHER_FIELDS = 64  # beside the slots; nine are known


def write_manifest(manifest: Manifest) -> bytes:
    """The bytes to store; a ValueError when `read_manifest` would not take them."""
    message = manifest_pb2.Manifest(
        version=VERSION,
        file=manifest.file,
        redundancy=to_message(manifest.redundancy, registry_pb2.Redundancy),
        slice_size=manifest.slice_size,
        last_slice_size=manifest.last_slice_size,
        leaf_size=manifest.leaf_size,
        slice_digests=b"".join(manifest.slice_digests),
        slots=[
            manifest_pb2.Slot(root=slot.root, replica_roots=b"".join(slot.replica_roots))
            for slot in manifest.slots
        ],
        private=manifest.private,
        wrapped_key=manifest.wrapped_key,
    )
    data = message.SerializeToString(deterministic=True)
    try:
        read_manifest(data)
    except IntegrityError as error:
        raise ValueError(str(error)) from error
    return data


def read_manifest(data: bytes) -> Manifest:
    """The manifest in `data`; IntegrityError names the field that cannot be.

    Takes about a second for the largest; call it off the event loop.
    """
    if len(data) >= LIMIT:
        _refuse("size", f"{len(data)} bytes, a manifest has fewer than {LIMIT}")
    try:
        check_field_count(data, MAX_SLOTS + _OTHER_FIELDS)
        message = parse(data, manifest_pb2.Manifest)
        if message.version != VERSION:
            _refuse("version", f"{message.version} is not {VERSION}: a newer program wrote it")
        redundancy = to_record(message.redundancy, Redundancy)
    except ValueError as error:
        raise IntegrityError(f"manifest: {error}") from error
    manifest = Manifest(
        file=FileId(_fixed(message.file, "file")),
        redundancy=redundancy,
        slice_size=message.slice_size,
        last_slice_size=message.last_slice_size,
        leaf_size=message.leaf_size,
        slice_digests=_digests(message.slice_digests, "slice_digests"),
        slots=tuple(
            SlotCommitment(
                Digest(_fixed(slot.root, f"slots[{number}].root")),
                _digests(slot.replica_roots, f"slots[{number}].replica_roots"),
            )
            for number, slot in enumerate(message.slots, start=1)
        ),
        private=message.private,
        wrapped_key=message.wrapped_key,
    )
    _check(manifest)
    return manifest


def manifest_digest(data: bytes) -> Digest:
    """Leaf 0 of the file tree."""
    return Digest(sha256(data).digest())


def layout(manifest: Manifest) -> Layout:
    """The cut of the file that the manifest describes."""
    before = (len(manifest.slice_digests) - 1) * (manifest.slice_size - TAG)
    return Layout(before + manifest.last_slice_size - TAG, manifest.slice_size)


def commitments(manifest: Manifest, slot: int) -> tuple[Commitment, ...]:
    """What the holder of `slot` holds, in order of the pieces.

    A slot that was added after publishing stands in no manifest: IntegrityError.
    """
    if not 1 <= slot <= len(manifest.slots):
        raise IntegrityError(
            f"slot {slot} is not in the manifest of file {manifest.file.hex()}, which names "
            f"{len(manifest.slots)} slots"
        )
    return tuple(_commitments(manifest, manifest.slots[slot - 1]))


def published_root(manifest: Manifest, digest: Digest) -> Digest:
    """The file root as first published; `digest` is that of the manifest's bytes."""
    return file_root(digest, [slot.root for slot in manifest.slots])


def check(manifest: Manifest, digest: Digest, record: FileRecord) -> None:
    """IntegrityError unless the record on chain is about this manifest with this digest.

    A file that shrank has fewer slots than its manifest: those that stay are under the root.
    """
    total = record.redundancy.total
    claims = [
        ("digest", digest, record.manifest),
        ("file", manifest.file, record.file),
        ("coding", manifest.redundancy.coding, record.redundancy.coding),
        ("required", manifest.redundancy.required, record.redundancy.required),
        ("size", layout(manifest).size, record.size),
    ]
    if total <= len(manifest.slots):  # otherwise slots that it does not know are under it, too
        kept = [slot.root for slot in manifest.slots[:total]]
        claims.append(("root", file_root(digest, kept), record.root))
    for what, found, expected in claims:
        if found != expected:
            raise IntegrityError(
                f"the manifest's {what} is not what the record of file {record.file.hex()} "
                "says; read it from another holder"
            )
    if manifest.redundancy.coding is Coding.ERASURE and len(manifest.slots) != total:
        _refuse("slots", f"{len(manifest.slots)}, but the record has {total}")


def check_size(cut: Layout, redundancy: Redundancy) -> None:
    """InvalidRequestError for a file whose manifest would be too large, before any work."""
    room = LIMIT - 2 * MAX_PRIVATE  # more than everything but the digests takes
    most = room // (_DIGEST * (1 + redundancy.total))
    if cut.count > min(most, MAX_SLICES):
        raise InvalidRequestError(
            f"a file of {cut.size} bytes in slices of {cut.slice_size} with {redundancy.total} "
            f"slots is too large: {most * cut.body} bytes are the most; take larger slices "
            "or store it in parts"
        )


def encrypt_private(content_key: bytes, file: FileId, part: PrivatePart) -> bytes:
    """The private part under AES-256-GCM with a key of the content key.

    The nonce in front comes from the content, so that a repeated upload gives the same
    bytes and a changed one never the same nonce.
    """
    message = to_message(replace(part, extra=()), manifest_pb2.ManifestPrivate)
    for name, value in part.extra:
        message.extra[name] = value
    plain = message.SerializeToString(deterministic=True)
    if len(plain) > MAX_PRIVATE - NONCE - TAG:
        raise InvalidRequestError(
            f"media type and extra fields of {len(plain)} bytes: {MAX_PRIVATE - NONCE - TAG} "
            "are the most; shorten them"
        )
    nonce = hmac.digest(derive(content_key, MANIFEST_NONCE, file), plain, sha256)[:NONCE]
    key = derive(content_key, MANIFEST_PRIVATE, file)
    return nonce + AESGCM(key).encrypt(nonce, plain, file)


def decrypt_private(content_key: bytes, file: FileId, data: bytes) -> PrivatePart:
    """The private part; IntegrityError under another key or for another file."""
    key = derive(content_key, MANIFEST_PRIVATE, file)
    try:
        plain = AESGCM(key).decrypt(data[:NONCE], data[NONCE:], file)
        message = parse(plain, manifest_pb2.ManifestPrivate)
    except (InvalidTag, ValueError) as error:
        raise IntegrityError(
            f"the manifest of file {file.hex()} does not open with this content key"
        ) from error
    if len(message.nonce_prefix) != PREFIX:
        _refuse("nonce_prefix", f"{len(message.nonce_prefix)} bytes where {PREFIX} belong")
    return PrivatePart(
        plaintext_digest=Digest(_fixed(message.plaintext_digest, "plaintext_digest")),
        plaintext_size=message.plaintext_size,
        media_type=message.media_type,
        extra=tuple(sorted(message.extra.items())),
        nonce_prefix=message.nonce_prefix,
    )


def wrap_key(kek: bytes, content_key: bytes) -> bytes:
    """The content key under a key-encryption key (RFC 3394)."""
    return aes_key_wrap(kek, content_key)


def unwrap_key(kek: bytes, wrapped: bytes) -> bytes:
    """The content key; IntegrityError under another key."""
    try:
        return aes_key_unwrap(kek, wrapped)
    except InvalidUnwrap as error:
        raise IntegrityError(
            "the content key does not unwrap: it was wrapped under another owner's key"
        ) from error


def _refuse(field: str, why: str) -> NoReturn:
    raise IntegrityError(f"manifest: {field}: {why}")


def _fixed(data: bytes, field: str) -> bytes:
    if len(data) != _DIGEST:
        _refuse(field, f"{len(data)} bytes where {_DIGEST} belong")
    return data


def _digests(data: bytes, field: str) -> tuple[Digest, ...]:
    if not data or len(data) % _DIGEST:
        _refuse(field, f"{len(data)} bytes are no row of digests of {_DIGEST}")
    return tuple(Digest(data[at : at + _DIGEST]) for at in range(0, len(data), _DIGEST))


def _check(manifest: Manifest) -> None:
    _check_redundancy(manifest.redundancy)
    if not is_slice_size(manifest.slice_size):
        _refuse("slice_size", f"{manifest.slice_size} is no size of a slice")
    count, last = len(manifest.slice_digests), manifest.last_slice_size
    # the last slice is empty only when it is the only one
    if not TAG + (count > 1) <= last <= manifest.slice_size:
        _refuse("last_slice_size", f"{last} in a file of {count} slices of {manifest.slice_size}")
    leaf = manifest.leaf_size
    if not SMALLEST_LEAF <= leaf <= LARGEST_LEAF or leaf.bit_count() != 1:
        _refuse("leaf_size", f"{leaf} is no power of two from {SMALLEST_LEAF} to {LARGEST_LEAF}")
    if not NONCE + TAG <= len(manifest.private) <= MAX_PRIVATE:
        _refuse("private", f"{len(manifest.private)} bytes")
    if len(manifest.wrapped_key) != WRAPPED_KEY:
        _refuse("wrapped_key", f"{len(manifest.wrapped_key)} bytes where {WRAPPED_KEY} belong")
    if len(manifest.slots) != manifest.redundancy.total:
        _refuse("slots", f"{len(manifest.slots)} where {manifest.redundancy.total} belong")
    for number, slot in enumerate(manifest.slots, start=1):
        found = len(slot.replica_roots)
        if found != count:
            _refuse(f"slots[{number}].replica_roots", f"{found} replicas of {count} slices")
        if holding_root(tuple(_commitments(manifest, slot))) != slot.root:
            _refuse(f"slots[{number}].root", "is not the root over the slot's replicas")


def _check_redundancy(redundancy: Redundancy) -> None:
    required, total = redundancy.required, redundancy.total
    if redundancy.coding is Coding.COPIES:
        good = required == 1 <= total <= MAX_SLOTS
    else:
        good = 1 < required < total <= MAX_SLOTS
    if not good:
        _refuse("redundancy", f"{required} of {total} slots")


def _commitments(manifest: Manifest, slot: SlotCommitment) -> Iterator[Commitment]:
    full = piece_length(manifest.redundancy, manifest.slice_size)
    last = piece_length(manifest.redundancy, manifest.last_slice_size)
    end = len(slot.replica_roots) - 1
    for index, root in enumerate(slot.replica_roots):
        yield Commitment(last if index == end else full, root)
