"""Files of the replica store: a header that says what follows, then the bytes.

::

    magic     8 bytes
    header    canonical encoding, fixed width
    digest    SHA-256 of magic and header
    body      the sealed bytes, or the manifest

A file's name is the SHA-256 of its header in hexadecimal. The header holds the root or
digest of the body, so the name is an address by content, and the slot it belongs to, so
that two owners who store the same bytes share nothing.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import ClassVar, TypeVar

from xdb.core.encoding import decode, encode
from xdb.errors import CorruptFileError
from xdb.model.ids import Address, Digest, FileId, Nonce
from xdb.model.storage import ReplicaKey, SlotRef

VERSION = 1
_DIGEST = 32
_NAME = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ReplicaHeader:
    """Before a replica's sealed bytes."""

    MAGIC: ClassVar[bytes] = b"xdbrepl\n"

    version: int
    file: FileId
    slot: int
    owner: Address
    nonce: Nonce
    piece: int
    length: int
    root: Digest
    leaf_size: int

    @property
    def key(self) -> ReplicaKey:
        """Which replica it is."""
        return ReplicaKey(self.file, self.slot, self.piece)

    @property
    def ref(self) -> SlotRef:
        """The slot it belongs to."""
        return SlotRef(self.file, self.slot, self.owner, self.nonce)


@dataclass(frozen=True, slots=True)
class ManifestHeader:
    """Before a manifest's bytes."""

    MAGIC: ClassVar[bytes] = b"xdbmani\n"

    version: int
    file: FileId
    slot: int
    owner: Address
    nonce: Nonce
    length: int
    digest: Digest

    @property
    def ref(self) -> SlotRef:
        """The slot it belongs to."""
        return SlotRef(self.file, self.slot, self.owner, self.nonce)


Header = ReplicaHeader | ManifestHeader
H = TypeVar("H", ReplicaHeader, ManifestHeader)

_SAMPLE = SlotRef(FileId(bytes(32)), 0, Address(bytes(20)), Nonce(bytes(16)))


def replica_header(ref: SlotRef, piece: int, length: int, root: Digest, leaf: int) -> ReplicaHeader:
    """The header of a new replica."""
    return ReplicaHeader(
        VERSION, ref.file, ref.slot, ref.owner, ref.nonce, piece, length, root, leaf
    )


def manifest_header(ref: SlotRef, length: int, digest: Digest) -> ManifestHeader:
    """The header of a new manifest."""
    return ManifestHeader(VERSION, ref.file, ref.slot, ref.owner, ref.nonce, length, digest)


def prologue(header: Header) -> bytes:
    """Everything before the body."""
    head = header.MAGIC + encode(header)
    return head + sha256(head).digest()


REPLICA_BODY = len(prologue(replica_header(_SAMPLE, 0, 0, Digest(bytes(32)), 0)))
"""Where a replica's bytes begin."""

MANIFEST_BODY = len(prologue(manifest_header(_SAMPLE, 0, Digest(bytes(32)))))
"""Where a manifest's bytes begin."""


def read_prologue(kind: type[H], data: bytes, path: str) -> H:
    """The header in the first bytes of a file; CorruptFileError names the file."""
    head, digest = data[:-_DIGEST], data[-_DIGEST:]
    if not head.startswith(kind.MAGIC) or sha256(head).digest() != digest:
        raise CorruptFileError(f"{path}: the header is damaged: its owner has to push it again")
    try:
        header = decode(kind, head[len(kind.MAGIC) :])
    except ValueError as error:
        raise CorruptFileError(f"{path}: the header is no {kind.__name__} ({error})") from error
    if header.version != VERSION:
        raise CorruptFileError(
            f"{path}: format version {header.version}, this program knows {VERSION}: "
            "use the program that wrote it, or a newer one"
        )
    return header


def path_of(header: Header) -> str:
    """Where a file stands below the store's root."""
    name = sha256(encode(header)).hexdigest()
    folder = "replicas" if isinstance(header, ReplicaHeader) else "manifests"
    return f"{folder}/{name[:2]}/{name}"


def is_name(name: str) -> bool:
    """Whether a file may be called so."""
    return _NAME.fullmatch(name) is not None


def staging_path(header: Header) -> str:
    """Where it stands while it is written."""
    return "staging/" + path_of(header).rpartition("/")[2]
