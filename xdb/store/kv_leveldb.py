"""A key-value store in LevelDB."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import plyvel

from xdb.errors import ConfigError, CorruptFileError, StorageFullError, UnavailableError, XdbError
from xdb.store.commits import Batch, CommitQueue

DIRECTORY = "kv.leveldb"
_WRITE_BUFFER = 4 << 20
_CACHE = 8 << 20


class LevelKeyValue:
    """`KeyValue` in `directory`/kv.leveldb; LevelDB locks it for as long as it is open.

    An unsynced write stands in the operating system's cache and can only vanish together
    with those behind it in the log.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / DIRECTORY
        self._path.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            self._db = plyvel.DB(
                str(self._path),
                create_if_missing=True,
                paranoid_checks=True,
                write_buffer_size=_WRITE_BUFFER,
                lru_cache_size=_CACHE,
            )
        except (plyvel.Error, OSError) as error:
            raise self._translated(error) from error
        self._commits = CommitQueue("leveldb-commits", self._apply)

    def get(self, key: bytes) -> bytes | None:
        """See `KeyValue`."""
        try:
            value: bytes | None = self._db.get(key, verify_checksums=True)
        except (plyvel.Error, OSError) as error:
            raise self._translated(error) from error
        return value

    def scan(
        self, prefix: bytes, *, after: bytes = b"", reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """See `KeyValue`."""
        if not after:
            options: dict[str, bytes | bool] = {"prefix": prefix}
        elif reverse:
            options = {"start": prefix, "stop": after}
        else:
            options = {"start": after, "include_start": False}
        try:
            found = self._db.iterator(reverse=reverse, verify_checksums=True, **options)
        except (plyvel.Error, OSError) as error:
            raise self._translated(error) from error
        return self._rows(found, prefix)

    def _rows(
        self, found: Iterator[tuple[bytes, bytes]], prefix: bytes
    ) -> Iterator[tuple[bytes, bytes]]:
        try:
            for key, value in found:
                if not key.startswith(prefix):
                    return
                yield key, value
        except (plyvel.Error, OSError) as error:
            raise self._translated(error) from error

    async def write(self, batch: Mapping[bytes, bytes | None], *, sync: bool) -> None:
        """See `KeyValue`."""
        await self._commits.write(batch, sync=sync)

    def close(self) -> None:
        """See `KeyValue`."""
        self._commits.close()
        self._db.close()

    def _apply(self, batch: Batch, sync: bool) -> None:  # noqa: FBT001  # as CommitQueue calls it
        try:
            with self._db.write_batch(sync=sync) as pending:
                for key, value in batch.items():
                    if value is None:
                        pending.delete(key)
                    else:
                        pending.put(key, value)
        except (plyvel.Error, OSError) as error:
            raise self._translated(error) from error

    def _translated(self, error: Exception) -> XdbError:
        text = str(error)
        if "lock" in text.lower():
            return ConfigError(
                f"{self._path} is in use by another process: stop that one, or name another "
                "directory"
            )
        if "No space left" in text:
            return StorageFullError(f"no room left for {self._path}: make room on its disk")
        if isinstance(error, plyvel.CorruptionError):
            return CorruptFileError(
                f"{self._path} is damaged ({text}): restore it from a backup, or move it away "
                "and let the node rebuild it"
            )
        return UnavailableError(f"{self._path}: {text}")
