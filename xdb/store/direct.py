"""Large files past the page cache.

A storage node writes far more than it reads back, so caching what it writes only pushes
out what is read, and filling cache pages costs more processor time than the writing.
Direct input and output wants offsets, lengths and memory aligned to blocks: each thread
has one aligned buffer, and the end of a file is cut to its length afterwards.
"""

import errno
import mmap
import os
import threading
from collections.abc import Sequence

from xdb.ports.compute import Buffer

LARGE = 256 << 10
"""Transfers from this size on go past the cache."""

_BLOCK = 4096
_BUFFER = 4 << 20
_local = threading.local()


def write(directory: int, name: str, parts: Sequence[Buffer], mode: int) -> bool:
    """Writes and syncs a new file; False, with nothing done, where the file system cannot."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    file = _open(name, flags, directory, mode)
    if file is None:
        return False
    try:
        length = _write_blocks(file, parts)
        os.ftruncate(file, length)
        os.fsync(file)
    finally:
        os.close(file)
    return True


def read(directory: int, name: str, offset: int, length: int) -> bytes | None:
    """Up to `length` bytes from `offset`; None where the file system cannot."""
    file = _open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, directory, 0)
    if file is None:
        return None
    try:
        parts = []
        while length > 0 and (part := _read_blocks(file, offset, length)):
            parts.append(part)
            offset, length = offset + len(part), length - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)
    finally:
        os.close(file)


def _open(name: str, flags: int, directory: int, mode: int) -> int | None:
    try:
        return os.open(name, flags | os.O_DIRECT, mode, dir_fd=directory)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.EOPNOTSUPP):
            return None
        raise


def _write_blocks(file: int, parts: Sequence[Buffer]) -> int:
    buffer, filled, length = _aligned(), 0, 0
    for part in parts:
        rest = memoryview(part).cast("B")
        length += len(rest)
        while rest:
            taken = rest[: _BUFFER - filled]
            buffer[filled : filled + len(taken)] = taken
            filled, rest = filled + len(taken), rest[len(taken) :]
            if filled == _BUFFER:
                _write_all(file, buffer)
                filled = 0
    if filled:
        _write_all(file, buffer[: -(-filled // _BLOCK) * _BLOCK])
    return length


def _write_all(file: int, view: memoryview) -> None:
    while view:
        written = os.write(file, view)
        if written % _BLOCK:  # only want of room cuts through a block
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        view = view[written:]


def _read_blocks(file: int, offset: int, length: int) -> bytes:
    buffer, skipped = _aligned(), offset % _BLOCK
    wanted = min(-(-(skipped + length) // _BLOCK) * _BLOCK, _BUFFER)
    got = os.preadv(file, [buffer[:wanted]], offset - skipped)
    return bytes(buffer[skipped : min(got, skipped + length)])


def _aligned() -> memoryview:
    view: memoryview | None = getattr(_local, "buffer", None)
    if view is None:
        view = _local.buffer = memoryview(mmap.mmap(-1, _BUFFER))
    return view
