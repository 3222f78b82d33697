"""What can be uploaded: a path, a file object, bytes, an asynchronous iterator."""

import asyncio
import io
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from xdb.errors import ConfigError, InvalidRequestError, SourceChangedError
from xdb.model.buffer import Buffer

Uploadable = str | Path | bytes | bytearray | memoryview | BinaryIO | AsyncIterable[Buffer]

BLOCK = 4 << 20
"""Bytes read from a file at a time."""


class Source(Protocol):
    """Bytes to upload, from the beginning each time when `rewindable`."""

    @property
    def rewindable(self) -> bool:
        """Whether `read` can be called again."""
        ...

    async def measure(self) -> int | None:
        """How many bytes there are; None when that is not known."""
        ...

    def read(self, size: int | None) -> AsyncGenerator[Buffer, None]:
        """The bytes, `size` of them when that is known."""
        ...


def source_of(data: Uploadable) -> Source:
    """The source that `data` is."""
    match data:
        case str() | os.PathLike():
            return PathSource(Path(data))
        case bytes() | bytearray() | memoryview():
            return BytesSource(memoryview(data).cast("B"))
        case _ if isinstance(data, AsyncIterable):
            return IteratorSource(data)
        case _ if hasattr(data, "read"):
            return FileSource(data)
    raise InvalidRequestError(
        f"a {type(data).__name__} cannot be uploaded: give a path, a file opened for reading "
        "bytes, bytes, or an asynchronous iterator of bytes"
    )


@dataclass(frozen=True, slots=True)
class PathSource:
    """A regular file by its path. A pipe or device is read once, as it comes."""

    path: Path

    @property
    def rewindable(self) -> bool:
        """See `Source`."""
        return self.path.is_file()

    async def measure(self) -> int | None:
        """See `Source`."""
        found = _stat(self.path)
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    async def read(self, size: int | None) -> AsyncGenerator[Buffer, None]:
        """See `Source`."""
        try:
            file = await asyncio.to_thread(self.path.open, "rb", buffering=0)
        except OSError as error:
            raise _unreadable(str(self.path), error) from error
        with file:
            async for block in _blocks(file, size, str(self.path)):
                yield block


@dataclass(frozen=True, slots=True)
class BytesSource:
    """Bytes in memory."""

    data: memoryview

    @property
    def rewindable(self) -> bool:
        """See `Source`."""
        return True

    async def measure(self) -> int:
        """See `Source`."""
        return len(self.data)

    async def read(self, size: int | None) -> AsyncGenerator[Buffer, None]:
        """See `Source`."""
        yield self.data[:size]


class FileSource:
    """An open file, from where it stands."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._name = str(getattr(file, "name", "the file"))
        self._start = _position(file)

    @property
    def rewindable(self) -> bool:
        """See `Source`."""
        return self._start is not None

    async def measure(self) -> int | None:
        """See `Source`."""
        if self._start is None:
            return None
        return await asyncio.to_thread(self._file.seek, 0, io.SEEK_END) - self._start

    async def read(self, size: int | None) -> AsyncGenerator[Buffer, None]:
        """See `Source`."""
        if self._start is not None:
            await asyncio.to_thread(self._file.seek, self._start)
        async for block in _blocks(self._file, size, self._name):
            yield block


@dataclass(frozen=True, slots=True)
class IteratorSource:
    """Whatever an iterator gives, once."""

    data: AsyncIterable[Buffer]

    @property
    def rewindable(self) -> bool:
        """See `Source`."""
        return False

    async def measure(self) -> None:
        """See `Source`."""

    async def read(self, size: int | None) -> AsyncGenerator[Buffer, None]:  # noqa: ARG002  # never known
        """See `Source`."""
        async for block in self.data:
            yield block


async def _blocks(
    file: BinaryIO | io.FileIO, size: int | None, name: str
) -> AsyncGenerator[bytes, None]:
    left = size
    while left is None or left > 0:
        most = BLOCK if left is None else min(BLOCK, left)
        try:
            # A pipe gives what it has; who feeds it slowly shall see it arrive.
            block = await asyncio.to_thread(getattr(file, "read1", file.read), most)
        except OSError as error:
            raise _unreadable(name, error) from error
        if not isinstance(block, bytes):
            raise InvalidRequestError(f"{name} gives text, not bytes: open it in mode 'rb'")
        if not block:
            break
        if left is not None:
            left -= len(block)
        yield block
    if left:
        raise SourceChangedError(
            f"{name} became {left} bytes shorter while it was read: upload it again when nothing "
            "writes to it"
        )


def _stat(path: Path) -> os.stat_result:
    try:
        found = path.stat()
    except OSError as error:
        raise _unreadable(str(path), error) from error
    if stat.S_ISDIR(found.st_mode):
        raise InvalidRequestError(f"{path} is a directory: upload it as one")
    return found


def _position(file: BinaryIO) -> int | None:
    try:
        return file.tell() if file.seekable() else None
    except OSError:
        return None


def _unreadable(name: str, error: OSError) -> ConfigError:
    return ConfigError(
        f"{name} cannot be read: {error.strerror or error}: correct that, or name another file"
    )
