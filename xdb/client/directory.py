"""A directory tree, file by file, several at a time."""

import asyncio
import os
import stat
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from xdb.client.records import FileInfo, UploadProgress
from xdb.core.names import check_name
from xdb.errors import AuthError, ConfigError, PlacementError, UnavailableError, XdbError
from xdb.runtime.spawn import TaskSpawn

AT_ONCE = 8
_ENDS_ALL = (AuthError, PlacementError, UnavailableError)
"""What stops one file and would stop every other."""


class Outcome(Enum):
    """What became of one entry of a directory."""

    UPLOADED = "uploaded"
    UNCHANGED = "unchanged"  # a file of this name and content is there
    SKIPPED = "skipped"  # neither a file nor a directory
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class DirectoryResult:
    """One entry; `file` when it is stored, `error` when it failed."""

    path: Path
    name: str
    outcome: Outcome
    file: FileInfo | None = None
    error: XdbError | None = None


@dataclass(frozen=True, slots=True)
class DirectoryProgress:
    """Where the whole stands; bytes are those of the sources."""

    files: int
    files_total: int
    size: int
    size_total: int


@dataclass(frozen=True, slots=True)
class Entry:
    """What a walk found: a file of `size` bytes, or why there is nothing to upload."""

    path: Path
    name: str
    size: int = 0
    skipped: bool = False
    error: XdbError | None = None


UploadOne = Callable[[Entry, Callable[[UploadProgress], None]], Awaitable[DirectoryResult]]


@dataclass(slots=True)
class DirectoryUpload:
    """Uploads entries with `upload`; `report` hears of all of them together."""

    entries: Sequence[Entry]
    upload: UploadOne
    report: Callable[[DirectoryProgress], None]
    _files: int = field(default=0, init=False)
    _size: int = field(default=0, init=False)
    _total: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        """Adds up what there is to do."""
        self._total = sum(entry.size for entry in self.entries)

    async def run(self) -> AsyncGenerator[DirectoryResult, None]:
        """Results as they come. What would stop every file is raised, the rest is told."""
        running: list[asyncio.Task[DirectoryResult]] = []
        async with TaskSpawn() as spawn:
            for entry in self.entries:
                if len(running) >= AT_ONCE:
                    for task in await _ended(running):
                        yield task.result()
                running.append(spawn.start(self._one(entry), name=f"upload {entry.name}"))
            while running:
                for task in await _ended(running):
                    yield task.result()

    async def _one(self, entry: Entry) -> DirectoryResult:
        counted = 0

        def count(received: int) -> None:
            nonlocal counted
            self._size += received - counted
            counted = received
            self.report(DirectoryProgress(self._files, len(self.entries), self._size, self._total))

        result = await self._result(entry, lambda p: count(min(p.received, entry.size)))
        self._files += 1
        count(entry.size)
        return result

    async def _result(
        self, entry: Entry, report: Callable[[UploadProgress], None]
    ) -> DirectoryResult:
        if entry.skipped:
            return DirectoryResult(entry.path, entry.name, Outcome.SKIPPED)
        if entry.error is not None:
            return _failed(entry, entry.error)
        try:
            return await self.upload(entry, report)
        except _ENDS_ALL:
            raise
        except XdbError as error:
            return _failed(entry, error)


async def _ended(
    running: list[asyncio.Task[DirectoryResult]],
) -> list[asyncio.Task[DirectoryResult]]:
    """Waits for some of them and takes those out, in the order of their start."""
    await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    ended = [task for task in running if task.done()]
    running[:] = [task for task in running if task not in ended]
    return ended


def walk(directory: Path, prefix: str) -> list[Entry]:
    """Everything below `directory` in order of names, links not followed."""
    if not directory.is_dir():
        raise ConfigError(f"{directory} is no directory: name one, or upload it as a file")
    return [_checked(entry) for entry in _walk(directory, prefix)]


def prefix_of(directory: Path) -> str:
    """What names begin with unless said otherwise: the directory's own name, none for '.'."""
    return directory.name if directory.name != ".." else ""


def _walk(directory: Path, prefix: str) -> Iterator[Entry]:
    try:
        found = sorted(os.scandir(directory), key=lambda entry: entry.name)
    except OSError as error:
        problem = ConfigError(f"{directory} cannot be read: {error.strerror}: correct that")
        yield Entry(directory, prefix, error=problem)
        return
    for entry in found:
        path, name = Path(entry.path), f"{prefix}/{entry.name}" if prefix else entry.name
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError as error:
            problem = ConfigError(f"{path} cannot be read: {error.strerror}: correct that")
            yield Entry(path, name, error=problem)
            continue
        if stat.S_ISDIR(status.st_mode):
            yield from _walk(path, name)
        elif stat.S_ISREG(status.st_mode):
            yield Entry(path, name, status.st_size)
        else:
            yield Entry(path, name, skipped=True)


def _checked(entry: Entry) -> Entry:
    try:
        return replace(entry, name=check_name(entry.name))
    except XdbError as error:
        return replace(entry, error=entry.error or error)


def _failed(entry: Entry, error: XdbError) -> DirectoryResult:
    return DirectoryResult(entry.path, entry.name, Outcome.FAILED, error=error)
