"""Files under one root, on the local file system."""

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from xdb.errors import (
    ConfigError,
    NotFoundError,
    OverloadedError,
    StorageFullError,
    UnavailableError,
    XdbError,
)
from xdb.ports.compute import Buffer, Compute
from xdb.store import direct
from xdb.store.directories import MODE, make_directory
from xdb.store.paths import parts_of

T = TypeVar("T")

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_TOO_MANY = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
_WAY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_MODE = 0o600


class LocalDisk:
    """`Disk` below `root`, which is made when missing.

    Every component of a path is opened relative to the one before and never through a
    symbolic link, so nothing outside the root can be reached; the root itself may be one.
    Everything runs in threads of `compute`.
    """

    def __init__(self, root: Path, compute: Compute) -> None:
        try:
            make_directory(root)
            self._root = os.open(root, _WAY & ~os.O_NOFOLLOW)
        except OSError as error:
            raise ConfigError(f"cannot use {root} as a directory: {error.strerror}") from error
        self._name = root
        self._compute = compute

    async def write(self, path: str, parts: Sequence[Buffer]) -> None:
        """See `Disk`."""
        await self._run(path, partial(self._write, path, parts))

    async def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        """See `Disk`."""
        return await self._run(path, partial(self._read, path, offset, length))

    async def rename(self, source: str, target: str) -> None:
        """See `Disk`."""
        await self._run(source, partial(self._rename, source, target))

    async def sync_directory(self, path: str) -> None:
        """See `Disk`."""
        await self._run(path, partial(self._sync_directory, path))

    async def remove(self, path: str) -> None:
        """See `Disk`."""
        await self._run(path, partial(self._remove, path))

    async def names(self, path: str) -> list[str]:
        """See `Disk`."""
        return await self._run(path, partial(self._names, path))

    async def size(self, path: str) -> int:
        """See `Disk`."""
        return await self._run(path, partial(self._size, path))

    async def free(self) -> int:
        """See `Disk`."""
        return await self._run("", self._free)

    def close(self) -> None:
        """Lets go of the root."""
        if self._root >= 0:
            os.close(self._root)
            self._root = -1

    async def _run(self, path: str, work: Callable[[], T]) -> T:
        try:
            return await self._compute.in_thread(work)
        except OSError as error:
            raise self._translated(path, error) from error

    def _translated(self, path: str, error: OSError) -> XdbError:
        where = self._name / path
        if error.errno == errno.ENOENT:
            return NotFoundError(f"{where} does not exist")
        if error.errno in _FULL:
            return StorageFullError(f"no room left for {where}: make room on its disk")
        if error.errno in _TOO_MANY:
            return OverloadedError(f"{where}: {error.strerror}: try again in a few seconds")
        return UnavailableError(f"{where}: {error.strerror}")

    def _write(self, path: str, parts: Sequence[Buffer]) -> None:
        size = sum(memoryview(part).nbytes for part in parts)
        with self._parent(path, make=True) as (directory, name):
            if size >= direct.LARGE and direct.write(directory, name, parts, _FILE_MODE):
                return
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            file = os.open(name, flags, _FILE_MODE, dir_fd=directory)
            try:
                for part in parts:
                    _write_all(file, part)
                os.fsync(file)
            finally:
                os.close(file)

    def _read(self, path: str, offset: int, length: int | None) -> bytes:
        with self._parent(path) as (directory, name):
            if length is not None and length >= direct.LARGE:
                data = direct.read(directory, name, offset, length)
                if data is not None:
                    return data
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
            try:
                rest = max(0, os.fstat(file).st_size - offset)
                return _read_all(file, offset, rest if length is None else min(length, rest))
            finally:
                os.close(file)

    def _rename(self, source: str, target: str) -> None:
        with (
            self._parent(source) as (from_directory, old),
            self._parent(target, make=True) as (to_directory, new),
        ):
            os.rename(old, new, src_dir_fd=from_directory, dst_dir_fd=to_directory)

    def _sync_directory(self, path: str) -> None:
        with self._directory(parts_of(path)) as directory:
            os.fsync(directory)

    def _remove(self, path: str) -> None:
        try:
            with self._parent(path) as (directory, name):
                os.unlink(name, dir_fd=directory)
        except FileNotFoundError:
            return

    def _names(self, path: str) -> list[str]:
        try:
            with self._directory(parts_of(path)) as directory:
                return sorted(os.listdir(directory))  # noqa: PTH208  # of an open directory
        except FileNotFoundError:
            return []

    def _size(self, path: str) -> int:
        with self._parent(path) as (directory, name):
            return os.stat(name, dir_fd=directory, follow_symlinks=False).st_size

    def _free(self) -> int:
        room = os.fstatvfs(self._root)
        return room.f_bavail * room.f_frsize

    @contextmanager
    def _parent(self, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        *way, name = parts_of(path)
        with self._directory(way, make=make) as directory:
            yield directory, name

    @contextmanager
    def _directory(self, way: Sequence[str], *, make: bool = False) -> Iterator[int]:
        at = os.dup(self._root)
        try:
            for name in way:
                below = _enter(at, name, make=make)
                os.close(at)
                at = below
            yield at
        finally:
            os.close(at)


def _enter(directory: int, name: str, *, make: bool) -> int:
    try:
        return os.open(name, _WAY, dir_fd=directory)
    except FileNotFoundError:
        if not make:
            raise
    with suppress(FileExistsError):  # made by another thread meanwhile
        os.mkdir(name, MODE, dir_fd=directory)
    os.fsync(directory)
    return os.open(name, _WAY, dir_fd=directory)


def _write_all(file: int, part: Buffer) -> None:
    view = memoryview(part).cast("B")
    while view:
        view = view[os.write(file, view) :]


def _read_all(file: int, offset: int, length: int) -> bytes:
    parts = []
    while length > 0:
        part = os.pread(file, length, offset)
        if not part:
            break
        parts.append(part)
        offset, length = offset + len(part), length - len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
