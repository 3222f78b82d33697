"""A key-value store in LevelDB."""

import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import plyvel

from xdb.errors import ConfigError, CorruptFileError, StorageFullError, UnavailableError, XdbError
from xdb.store.commits import Batch, CommitQueue
from xdb.store.directories import make_directory

DIRECTORY = "kv.leveldb"
_WRITE_BUFFER = 4 << 20
_CACHE = 8 << 20
_ROOM = 4 * _WRITE_BUFFER
"""Free bytes of the disk without which a store that ran out of them is not opened again."""

_FULL = ("No space left", "Disk quota exceeded", "File too large")
_FAILURES = (plyvel.Error, OSError, RuntimeError)  # RuntimeError: it was closed meanwhile


class LevelKeyValue:
    """`KeyValue` in `directory`/kv.leveldb; LevelDB locks it for as long as it is open.

    An unsynced write stands in the operating system's cache and can only vanish together
    with those behind it in the log.

    When there is no room, LevelDB leaves half a record in its log and loses, when it is
    opened the next time, what it took behind that. So the store is opened again before it
    takes anything more; reads go on meanwhile.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / DIRECTORY
        self._guard = threading.Lock()
        self._torn = False
        make_directory(self._path)
        self._db = self._open()
        self._commits = CommitQueue("leveldb-commits", self._apply)

    def get(self, key: bytes) -> bytes | None:
        """See `KeyValue`."""
        try:
            with self._guard:
                value: bytes | None = self._db.get(key, verify_checksums=True)
        except _FAILURES as error:
            raise self._translated(error) from error
        return value

    def scan(
        self, prefix: bytes, *, after: bytes = b"", reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """See `KeyValue`."""
        # plyvel leaves the empty key out of a reversed scan that starts at it: no start then
        if not after:
            options: dict[str, bytes | bool] = {"prefix": prefix} if prefix else {}
        elif reverse:
            options = {"start": prefix, "stop": after} if prefix else {"stop": after}
        else:
            options = {"start": after, "include_start": False}
        try:
            with self._guard:
                found = self._db.iterator(reverse=reverse, verify_checksums=True, **options)
        except _FAILURES as error:
            raise self._translated(error) from error
        return self._rows(found, prefix)

    def _rows(
        self, found: Iterator[tuple[bytes, bytes]], prefix: bytes
    ) -> Iterator[tuple[bytes, bytes]]:
        while True:
            try:
                with self._guard:
                    key, value = next(found, (None, b""))
            except _FAILURES as error:
                raise self._translated(error) from error
            if key is None or not key.startswith(prefix):
                return
            yield key, value

    async def write(self, batch: Mapping[bytes, bytes | None], *, sync: bool) -> None:
        """See `KeyValue`."""
        await self._commits.write(batch, sync=sync)

    def close(self) -> None:
        """See `KeyValue`."""
        self._commits.close()
        self._db.close()

    def _apply(self, batch: Batch, sync: bool) -> None:  # noqa: FBT001  # as CommitQueue calls it
        try:
            if self._torn:
                self._reopen()
            with self._db.write_batch(sync=sync) as pending:
                for key, value in batch.items():
                    if value is None:
                        pending.delete(key)
                    else:
                        pending.put(key, value)
        except _FAILURES as error:
            failure = self._translated(error)
            self._torn = isinstance(failure, StorageFullError)
            raise failure from error

    def _open(self) -> Any:  # noqa: ANN401  # plyvel has no types
        try:
            return plyvel.DB(
                str(self._path),
                create_if_missing=True,
                paranoid_checks=True,
                write_buffer_size=_WRITE_BUFFER,
                lru_cache_size=_CACHE,
            )
        except _FAILURES as error:
            raise self._translated(error) from error

    def _reopen(self) -> None:
        room = os.statvfs(self._path)
        if room.f_bavail * room.f_frsize < _ROOM:
            raise self._full()
        with self._guard:
            self._db.close()
            self._db = self._open()
        self._torn = False

    def _translated(self, error: Exception) -> XdbError:
        text = str(error)
        if f"lock {self._path}/" in text:
            return ConfigError(
                f"{self._path} is in use by another process: stop that one, or name another "
                "directory"
            )
        if any(words in text for words in _FULL):
            return self._full()
        if isinstance(error, plyvel.CorruptionError):
            return CorruptFileError(
                f"{self._path} is damaged ({text}): restore it from a backup, or move it away "
                "and let the node rebuild it"
            )
        return UnavailableError(f"{self._path}: {text}")

    def _full(self) -> StorageFullError:
        return StorageFullError(f"no room left for {self._path}: make room on its disk")
