"""Files under one root directory. Paths are relative, `/`-separated, without `..`."""

from collections.abc import Sequence
from typing import Protocol

from xdb.ports.compute import Buffer


class Disk(Protocol):
    """Durability is explicit: contents by `write`, names by `sync_directory`.

    Errors: NotFoundError for a missing path, StorageFullError when there is no
    room, UnavailableError for other input/output errors. After a failed sync
    the file's content is unknown and the caller must not acknowledge it.
    Symbolic links are never followed.
    """

    async def write(self, path: str, parts: Sequence[Buffer]) -> None:
        """Makes or replaces the file's content, and syncs the content (not the name).

        Missing directories are made and synced.
        """
        ...

    async def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        """Up to `length` bytes from `offset`; shorter only at the end of the file."""
        ...

    async def rename(self, source: str, target: str) -> None:
        """Atomic; replaces `target`; makes and syncs missing directories. Not yet durable."""
        ...

    async def sync_directory(self, path: str) -> None:
        """Makes names made, renamed or removed in this directory durable."""
        ...

    async def remove(self, path: str) -> None:
        """Removes a file; a missing one is fine. Not yet durable."""
        ...

    async def names(self, path: str) -> list[str]:
        """Names in a directory, sorted; empty for a missing directory."""
        ...

    async def size(self, path: str) -> int:
        """Bytes of a file."""
        ...

    async def free(self) -> int:
        """Bytes that can still be written."""
        ...
