"""Damage to what a storage node keeps on its disk, done from outside."""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from xdb.errors import CorruptFileError, NotFoundError
from xdb.model.ids import FileId
from xdb.model.storage import ReplicaKey
from xdb.node.machine import CERTIFICATE, STORE
from xdb.ports.entropy import Entropy
from xdb.store.formats import REPLICA_BODY, ReplicaHeader, read_prologue
from xdb.store.lock import FILE, DirectoryLock

KEPT = frozenset({CERTIFICATE, FILE})
"""What `wipe` leaves in a data directory: it is held by its lock meanwhile."""
_REPLICAS = "replicas"


@dataclass(frozen=True, slots=True)
class _Replica:
    """A replica's file that can be damaged."""

    path: Path
    header: ReplicaHeader


def corrupt(
    data: Path,
    entropy: Entropy,
    file: FileId | None = None,
    count: int = 1,
    *,
    header: bool = False,
) -> list[ReplicaKey]:
    """Flips one bit in each of `count` replicas below the data directory `data`.

    They are any of the node's, or any of `file`'s. The bit is one of the sealed bytes, or
    of the header when that is asked for. A replica that the node removes meanwhile is
    passed over. NotFoundError, before anything is damaged, when there are fewer.
    """
    found = list(_replicas(data / STORE, file))
    if len(found) < count:
        of = "" if file is None else f" of file {file.hex()}"
        raise NotFoundError(
            f"{data} holds {len(found)} replicas{of} that can be damaged, not {count}: store more, "
            "or ask for fewer"
        )
    damaged: list[ReplicaKey] = []
    for replica in _shuffled(found, entropy):
        if len(damaged) == count:
            break
        first, length = (0, REPLICA_BODY) if header else (REPLICA_BODY, replica.header.length)
        bit = _below(entropy, 8 * length)
        with suppress(FileNotFoundError):
            _flip(replica.path, first + bit // 8, 1 << bit % 8)
            damaged.append(replica.header.key)
    return damaged


def wipe(data: Path) -> None:
    """Removes all that is in a data directory but its certificate, as if its disk was new.

    ConfigError when a process has it in use.
    """
    lock = DirectoryLock(data)
    try:
        for entry in sorted(data.iterdir()):
            if entry.name in KEPT:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
    finally:
        lock.release()


def _replicas(store: Path, file: FileId | None) -> Iterator[_Replica]:
    """Those with bytes and a sound header, in the order of their names."""
    for path in sorted((store / _REPLICAS).glob("*/*")):
        with suppress(FileNotFoundError, CorruptFileError), path.open("rb") as opened:
            header = read_prologue(ReplicaHeader, opened.read(REPLICA_BODY), path.name)
            if header.length and file in {None, header.file}:
                yield _Replica(path, header)


def _shuffled(replicas: list[_Replica], entropy: Entropy) -> Iterator[_Replica]:
    rest = list(replicas)
    while rest:
        yield rest.pop(_below(entropy, len(rest)))


def _below(entropy: Entropy, end: int) -> int:
    return int.from_bytes(entropy.draw(8), "big") % end


def _flip(path: Path, offset: int, mask: int) -> None:
    file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        (byte,) = os.pread(file, 1, offset)
        os.pwrite(file, bytes([byte ^ mask]), offset)
        os.fsync(file)  # the node may read past the cache
    finally:
        os.close(file)
