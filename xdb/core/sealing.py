"""Every slot's bytes are sealed under a key of its own, so that no two holders have the same.

AES-256-CTR with the piece's number in the upper half of the counter block: deterministic,
so that whoever has the sealing secret can make a lost replica again bit for bit. It
protects distinctness, not secrecy; the slice underneath is encrypted already.
"""

from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR

from xdb.core.keyring import FILE_SEALING, NAMESPACE_SEALING, SLOT_SEALING, derive
from xdb.core.merkle import replica_root
from xdb.model.buffer import Buffer
from xdb.model.ids import FileId, Tag
from xdb.model.storage import Commitment


def namespace_secret(secrets: Callable[[str, bytes], bytes], namespace: Tag) -> bytes:
    """The sealing secret of a namespace; `secrets` is the owner's `Secrets.derive`."""
    return secrets(NAMESPACE_SEALING, namespace)


def file_sealing_key(secret: bytes, file: FileId) -> bytes:
    """The sealing key of one file, from its namespace's secret."""
    return derive(secret, FILE_SEALING, file)


def slot_key(sealing_key: bytes, slot: int) -> bytes:
    """The sealing key of one slot, from its file's."""
    return derive(sealing_key, SLOT_SEALING, slot.to_bytes(8, "big"))


def seal(key: bytes, piece: int, data: Buffer) -> bytes:
    """The replica that slot key `key` makes of piece number `piece`."""
    return _cipher(key, piece).encryptor().update(data)


def unseal(key: bytes, piece: int, data: Buffer) -> bytes:
    """The piece under a replica."""
    return seal(key, piece, data)  # a key stream is its own inverse


def seal_and_commit(
    source: memoryview, target: memoryview, key: bytes, piece: int, leaf_size: int
) -> Commitment:
    """Seals `source` into `target`, of the same length, and commits to it."""
    target[:] = seal(key, piece, source)
    return commit(target, leaf_size)


def commit(source: Buffer, leaf_size: int) -> Commitment:
    """Length and root of a replica."""
    return Commitment(len(source), replica_root(source, leaf_size))


def _cipher(key: bytes, piece: int) -> Cipher[CTR]:
    return Cipher(AES256(key), CTR(piece.to_bytes(8, "big") + bytes(8)))
