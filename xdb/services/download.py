"""Download: a range of a file, in order, verified."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from xdb.errors import ExpiredError, InvalidRequestError
from xdb.index.index import Index
from xdb.index.views import FileStatus, FileView
from xdb.model.units import Size
from xdb.ports.clock import Clock
from xdb.ports.compute import Compute
from xdb.ports.spawn import Spawn
from xdb.services.budget import Budget
from xdb.services.fetching import Fetcher
from xdb.services.opening import Opener, OpenFile

COPIES = 2
"""Times that the bytes of a slice are in memory while it is opened."""


@dataclass(frozen=True, slots=True)
class DownloadConfig:
    """Slices fetched ahead in one download, and bytes of them over all downloads."""

    window: int = 3
    memory: Size = 96 << 20


@dataclass(frozen=True, slots=True)
class Download:
    """A range about to be read: `length` bytes from `offset`."""

    file: OpenFile
    offset: int
    length: int
    fetcher: Fetcher


@dataclass(slots=True)
class Downloader:
    """Reads files of one owner."""

    index: Index
    opener: Opener
    compute: Compute
    clock: Clock
    spawn: Spawn
    config: DownloadConfig = DownloadConfig()
    _budget: Budget = field(init=False)

    def __post_init__(self) -> None:
        """Sets the bound."""
        self._budget = Budget(self.config.memory)

    async def open(self, view: FileView, offset: int = 0, length: int | None = None) -> Download:
        """Prepares to read; everything behind `offset` when `length` is None.

        Raises ExpiredError for a file that is not live, InvalidRequestError for a range
        outside of it, UnavailableError when no holder has its manifest.
        """
        self._check_live(view)
        size = view.record.size
        if offset > size or (length is not None and offset + length > size):
            raise InvalidRequestError(
                f"the file has {size} bytes, the range asked for ends at "
                f"{offset + (length or 0)}: ask for less"
            )
        opened = await self.opener.open(view)
        fetcher = Fetcher(opened, self.opener, self.compute, self.clock, self.spawn)
        return Download(opened, offset, size - offset if length is None else length, fetcher)

    async def read(self, download: Download) -> AsyncGenerator[memoryview, None]:
        """The bytes in order, in parts of at most a slice; nothing behind the first error."""
        ahead = _Ahead(self.config.window, self._budget, download, self.spawn)
        try:
            ahead.fetch()
            while ahead.parts:
                start, stop, task = ahead.parts[0]
                plain = await task
                ahead.parts.popleft()
                del task  # it would keep the bytes
                ahead.fetch()
                yield memoryview(plain)[start:stop]
                ahead.give()
        finally:
            await ahead.close()

    def _check_live(self, view: FileView) -> None:
        record, status = view.record, self.index.status(view)
        if status is FileStatus.LIVE:
            return
        gone = record.gone(self.index.parameters.retention)
        if status is FileStatus.DELETED:
            raise ExpiredError(
                f"file {record.file.hex()} was deleted at {record.deleted}: "
                f"`xdb-cli undelete` brings it back until {gone}"
            )
        if status is FileStatus.EXPIRED:
            raise ExpiredError(
                f"file {record.file.hex()} expired at {record.expiry}: "
                f"`xdb-cli renew` brings it back until {gone}"
            )
        raise ExpiredError(f"file {record.file.hex()} is gone since {gone}: upload it again")


class _Ahead:
    """The parts of a download that are being fetched: (start, stop) of the slices to come."""

    def __init__(self, window: int, budget: Budget, download: Download, spawn: Spawn) -> None:
        layout = download.file.layout
        self.parts: deque[tuple[int, int, asyncio.Task[bytes]]] = deque()
        self._window = window
        self._budget = budget
        self._fetcher = download.fetcher
        self._spawn = spawn
        self._wanted = layout.slices_of(download.offset, download.length)
        self._size = COPIES * min(layout.slice_size, layout.cipher_size)
        self._held = 0

    def fetch(self) -> None:
        """Begins with the next slice in any case, so that every download goes on."""
        while not self.parts or (len(self.parts) < self._window and self._budget.has(self._size)):
            part = next(self._wanted, None)
            if part is None:
                return
            index, start, stop = part
            self._budget.force(self._size)
            self._held += 1
            task = self._spawn.start(self._fetcher.slice(index), name=f"fetch {index}")
            self.parts.append((start, stop, task))

    def give(self) -> None:
        """A slice was taken."""
        self._held -= 1
        self._budget.give(self._size)

    async def close(self) -> None:
        """Ends what is under way."""
        for _, _, task in self.parts:
            task.cancel()
        await asyncio.gather(*(task for _, _, task in self.parts), return_exceptions=True)
        self._budget.give(self._held * self._size)
