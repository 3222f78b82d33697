"""What a reader needs beside the record, field for field as in proto/xdb/v1/manifest.proto."""

from dataclasses import dataclass

from xdb.model.ids import Digest, FileId
from xdb.model.registry import Redundancy


@dataclass(frozen=True, slots=True)
class SlotCommitment:
    """Holding root of a slot and the roots of its replicas, in order of the pieces."""

    root: Digest
    replica_roots: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """How a file is cut, coded and sealed; `slots[i]` is slot i + 1 as first published.

    Sizes are ciphertext bytes, tag included. `private` and `wrapped_key` are encrypted.
    """

    file: FileId
    redundancy: Redundancy
    slice_size: int
    last_slice_size: int
    leaf_size: int
    slice_digests: tuple[Digest, ...]
    slots: tuple[SlotCommitment, ...]
    private: bytes
    wrapped_key: bytes


@dataclass(frozen=True, slots=True)
class PrivatePart:
    """What only readers with the content key see. `extra` is sorted by key."""

    plaintext_digest: Digest
    plaintext_size: int
    media_type: str
    extra: tuple[tuple[str, str], ...]
    nonce_prefix: bytes


@dataclass(frozen=True, slots=True)
class Label:
    """The owner's words for a file or namespace."""

    name: str
    description: str
