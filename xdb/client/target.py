"""Where a download goes: a path, a file object, memory."""

import asyncio
import errno
import fcntl
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Protocol

from xdb.client.records import FileInfo
from xdb.errors import ConfigError, ConflictError
from xdb.model.buffer import Buffer
from xdb.model.ids import Digest

BLOCK = 4 << 20
LONGEST_NAME = 255
"""Bytes of a file name in every file system of note."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a download begins with: the file, and which of its bytes follow."""

    file: FileInfo
    offset: int
    length: int
    digest: Digest  # of the whole file

    @property
    def is_whole(self) -> bool:
        """Whether all of the file follows."""
        return self.offset == 0 and self.length == self.file.size


class Target(Protocol):
    """Takes bytes in order. In the end either `keep` or `release` is called, perhaps both."""

    async def begin(self, header: Header) -> int:
        """Prepares for a download; how many of its first bytes are here already."""
        ...

    async def write(self, data: Buffer) -> None:
        """Takes the next bytes."""
        ...

    def digest(self) -> Digest:
        """SHA-256 of all bytes, those that were here already included."""
        ...

    async def start_anew(self) -> None:
        """Forgets all bytes."""
        ...

    async def keep(self) -> None:
        """The bytes are complete and right."""
        ...

    async def release(self) -> None:
        """Nothing more comes."""
        ...


class StreamTarget:
    """A file object, a pipe or memory: what was written is written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = sha256()

    async def begin(self, header: Header) -> int:  # noqa: ARG002  # as `Target` has it
        """See `Target`."""
        return 0

    async def write(self, data: Buffer) -> None:
        """See `Target`."""
        await asyncio.to_thread(self._write, data)

    def digest(self) -> Digest:
        """See `Target`."""
        return Digest(self._digest.digest())

    async def start_anew(self) -> None:
        """See `Target`; what was written cannot be taken back."""

    async def keep(self) -> None:
        """See `Target`."""
        await asyncio.to_thread(self._file.flush)

    async def release(self) -> None:
        """See `Target`; the file belongs to the caller."""

    def _write(self, data: Buffer) -> None:
        self._digest.update(data)
        _write_all(self._file, data)


class PathTarget:
    """A path that changes in one step, from what was there to the whole file.

    Until then the bytes are beside it in `.NAME.<file id>.part`, where the next attempt at
    the same file finds them.
    """

    def __init__(self, path: Path, *, replace: bool) -> None:
        self._path = path
        self._replace = replace
        self._part: Path | None = None
        self._file: BinaryIO | None = None
        self._digest = sha256()
        self._resumable = False
        check_free(path, replace=replace)

    async def begin(self, header: Header) -> int:
        """See `Target`."""
        self._resumable = header.is_whole
        return await asyncio.to_thread(self._open, header)

    async def write(self, data: Buffer) -> None:
        """See `Target`."""
        await asyncio.to_thread(self._write, data)

    def digest(self) -> Digest:
        """See `Target`."""
        return Digest(self._digest.digest())

    async def start_anew(self) -> None:
        """See `Target`."""
        await asyncio.to_thread(self._truncate)

    async def keep(self) -> None:
        """See `Target`."""
        await asyncio.to_thread(self._keep)

    async def release(self) -> None:
        """See `Target`; bytes of a whole file stay for the next attempt."""
        await asyncio.to_thread(self._release)

    def _open(self, header: Header) -> int:
        part = self._path.with_name(part_name(self._path.name, header))
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(part, flags, 0o666)  # as any new file: the umask decides
        except OSError as error:
            raise _unwritable(self._path, error) from error
        self._file = os.fdopen(descriptor, "r+b", buffering=0)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConflictError(
                f"{header.file.ref} is being downloaded to {self._path} already: wait for that, "
                "or name another file"
            ) from error
        self._part = part
        if not header.is_whole or os.fstat(descriptor).st_size > header.length:
            self._truncate()
        return self._hash_existing()

    def _hash_existing(self) -> int:
        size = 0
        while block := self._opened.read(BLOCK):
            self._digest.update(block)
            size += len(block)
        return size

    def _write(self, data: Buffer) -> None:
        self._digest.update(data)
        try:
            _write_all(self._opened, data)
        except OSError as error:
            raise _unwritable(self._path, error) from error

    def _truncate(self) -> None:
        self._opened.seek(0)
        self._opened.truncate()
        self._digest = sha256()

    def _keep(self) -> None:
        try:
            os.fsync(self._opened.fileno())
            self._put_in_place()
            _sync_directory(self._path.parent)
        except OSError as error:
            raise _unwritable(self._path, error) from error

    def _put_in_place(self) -> None:
        part, self._part = self._part, None
        if part is None:
            return
        if self._replace:
            part.replace(self._path)
            return
        try:
            os.link(part, self._path, follow_symlinks=False)
        except FileExistsError:
            self._part = part
            check_free(self._path, replace=False)
            raise
        except OSError as error:
            if error.errno not in {errno.EPERM, errno.ENOTSUP, errno.ENOSYS}:
                raise
            check_free(self._path, replace=False)  # a file system without hard links
            part.replace(self._path)
            return
        part.unlink()

    def _release(self) -> None:
        if self._file is None:
            return
        empty = os.fstat(self._file.fileno()).st_size == 0
        if self._part is not None and (empty or not self._resumable):
            with suppress(FileNotFoundError):
                self._part.unlink()
        self._part = None
        self._file.close()
        self._file = None

    @property
    def _opened(self) -> BinaryIO:
        if self._file is None:
            raise ValueError("begin comes first")
        return self._file


def is_stream(path: Path) -> bool:
    """Whether `path` is a pipe, terminal or device, which cannot be replaced by a file."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def check_free(path: Path, *, replace: bool) -> None:
    """ConflictError when something is at `path` and stays, ConfigError for a directory."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unwritable(path, error) from error
    if stat.S_ISDIR(mode):
        raise ConfigError(f"{path} is a directory: name a file")
    if not replace:
        raise ConflictError(
            f"{path} exists and is not overwritten: name another file, or say that it shall be "
            "replaced (--force)"
        )


def part_name(name: str, header: Header) -> str:
    """The name of the unfinished file beside `name`; ranges have one of their own."""
    end = f".{header.file.file.hex()[:16]}"
    end += ".part" if header.is_whole else f".{header.offset}-{header.length}.part"
    # Cut by bytes, in which the limit is; half a character of a name does no harm.
    most = LONGEST_NAME - len(end) - 1
    return "." + os.fsdecode(os.fsencode(name)[:most]) + end


def _write_all(file: BinaryIO, data: Buffer) -> None:
    view = memoryview(data)
    while view:
        written = file.write(view)
        view = view[written:]


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _unwritable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"{path} cannot be written: {error.strerror or error}: correct that, or name another file"
    )
