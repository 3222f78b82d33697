"""Download: a range of a file, in order, verified."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from xdb.errors import ExpiredError, InvalidRequestError
from xdb.index.index import Index
from xdb.index.views import FileStatus, FileView
from xdb.ports.clock import Clock
from xdb.ports.compute import Compute
from xdb.ports.spawn import Spawn
from xdb.services.fetching import Fetcher
from xdb.services.opening import Opener, OpenFile


@dataclass(frozen=True, slots=True)
class DownloadConfig:
    """Slices fetched ahead in one download."""

    window: int = 3


@dataclass(frozen=True, slots=True)
class Download:
    """A range about to be read: `length` bytes from `offset`."""

    file: OpenFile
    offset: int
    length: int
    fetcher: Fetcher


@dataclass(frozen=True, slots=True)
class Downloader:
    """Reads files of one owner."""

    index: Index
    opener: Opener
    compute: Compute
    clock: Clock
    spawn: Spawn
    config: DownloadConfig = DownloadConfig()

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
        layout = download.file.layout
        wanted = layout.slices_of(download.offset, download.length)
        ahead: deque[tuple[int, int, asyncio.Task[bytes]]] = deque()

        def fetch_next() -> None:
            for index, start, stop in wanted:
                name = f"fetch {index}"
                task = self.spawn.start(download.fetcher.slice(index), name=name)
                ahead.append((start, stop, task))
                return

        try:
            for _ in range(self.config.window):
                fetch_next()
            while ahead:
                start, stop, task = ahead[0]
                plain = await task
                ahead.popleft()
                fetch_next()
                yield memoryview(plain)[start:stop]
        finally:
            for _, _, task in ahead:
                task.cancel()
            await asyncio.gather(*(task for _, _, task in ahead), return_exceptions=True)

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
