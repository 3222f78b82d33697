"""Writes that are durable, or end the store."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from xdb.errors import CorruptFileError, OverloadedError, StorageFullError, UnavailableError
from xdb.ports.compute import Buffer
from xdb.ports.disk import Disk
from xdb.ports.kv import KeyValue
from xdb.store.catalog import Batch
from xdb.store.formats import Header, path_of, prologue, staging_path

SUSPECT = "suspect"
"""A file that says: a sync failed, nothing on this disk is certain until it was re-hashed."""


class DurableFiles:
    """Files with headers on a disk, and the catalog beside them.

    After a failed write or sync nobody knows what is on the disk. `failed` then says why,
    a mark for the next start is left, and every later write is refused: trying again would
    only hide it. Want of room or of file descriptors is no such failure.
    """

    def __init__(self, disk: Disk, kv: KeyValue) -> None:
        self.disk = disk
        self.failed: str | None = None
        self._kv = kv

    async def write(self, header: Header, data: Buffer) -> None:
        """Puts a file in its place, whole or not at all, durable on return."""
        path, staging = path_of(header), staging_path(header)
        async with self._fatal():
            try:
                await self.disk.write(staging, [prologue(header), data])
                await self.disk.rename(staging, path)
            except (StorageFullError, OverloadedError):
                with suppress(UnavailableError):
                    await self.disk.remove(staging)
                raise
            await self._sync(path.rpartition("/")[0])

    async def remove(self, headers: Sequence[Header]) -> None:
        """Removes files; durable on return."""
        paths = [path_of(header) for header in headers]
        async with self._fatal():
            for path in paths:
                await self.disk.remove(path)
            for folder in sorted({path.rpartition("/")[0] for path in paths}):
                await self._sync(folder)

    async def commit(self, batch: Batch) -> None:
        """Writes to the catalog, durable on return."""
        async with self._fatal():
            await self._kv.write(batch, sync=True)

    async def note_failure(self) -> None:
        """Leaves a mark for the next start, as well as a failing disk lets it."""
        with suppress(UnavailableError):
            await self.disk.write(SUSPECT, [(self.failed or "").encode()])
            await self.disk.sync_directory("")

    async def _sync(self, folder: str) -> None:
        try:
            await self.disk.sync_directory(folder)
        except StorageFullError as error:  # a name was lost: room does not bring it back
            raise UnavailableError(str(error)) from error

    @asynccontextmanager
    async def _fatal(self) -> AsyncIterator[None]:
        if self.failed:
            raise UnavailableError(f"the store has failed ({self.failed}): restart the node")
        try:
            yield
        except (StorageFullError, OverloadedError):
            raise
        except (UnavailableError, CorruptFileError) as error:
            if self.failed is None:  # another write may have failed meanwhile
                self.failed = str(error)
            await self.note_failure()
            raise
