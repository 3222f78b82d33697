"""A key-value store in one SQLite file."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import cast

from xdb.errors import CorruptFileError, StorageFullError, UnavailableError, XdbError
from xdb.store.commits import Batch, CommitQueue
from xdb.store.kv_memory import end_of
from xdb.store.lock import DirectoryLock

FILE = "kv.sqlite"


class SqliteKeyValue:
    """`KeyValue` in `directory`/kv.sqlite, locked for as long as it is open.

    SQLite keeps a write-ahead log. Synced batches are committed with `synchronous` FULL,
    others with NORMAL, where only the newest commits of the log can vanish. One
    connection writes. Every get and every scan has one to itself: two threads in one
    connection would share a prepared statement and read each other's rows, and a scan
    sees the store as it was when it began.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE
        self._lock = DirectoryLock(directory)
        with ExitStack() as undo:
            undo.callback(self._lock.release)
            self._writer = undo.enter_context(closing(self._connect()))
            reader = undo.enter_context(closing(self._connect()))
            self._prepare(reader)
            undo.pop_all()
        self._idle = [reader]
        self._closed = False
        self._commits = CommitQueue("sqlite-commits", self._apply)

    def _prepare(self, reader: sqlite3.Connection) -> None:
        try:
            self._writer.execute("PRAGMA journal_mode=WAL")
            self._writer.execute(
                "CREATE TABLE IF NOT EXISTS kv"
                " (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"
            )
            reader.execute("SELECT key FROM kv LIMIT 1").fetchall()
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def get(self, key: bytes) -> bytes | None:
        """See `KeyValue`."""
        connection = self._taken()
        try:
            row = connection.execute("SELECT value FROM kv WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            raise self._translated(error) from error
        finally:
            self._put_back(connection)
        return None if row is None else row[0]

    def scan(
        self, prefix: bytes, *, after: bytes = b"", reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """See `KeyValue`."""
        rows = self._rows(self._taken(), *_query(prefix, after, reverse=reverse))
        next(rows)  # takes the snapshot now, not when the caller iterates
        return cast("Iterator[tuple[bytes, bytes]]", rows)

    def _rows(
        self, connection: sqlite3.Connection, query: str, values: tuple[bytes, ...]
    ) -> Iterator[tuple[bytes, bytes] | None]:
        cursor = connection.cursor()
        try:
            row = cursor.execute(query, values).fetchone()
            yield None
            while row is not None:
                yield row
                row = cursor.fetchone()
        except sqlite3.Error as error:
            raise self._translated(error) from error
        finally:
            cursor.close()
            self._put_back(connection)

    def _taken(self) -> sqlite3.Connection:
        if self._closed:
            raise UnavailableError(f"{self._path} is closed: open it again")
        try:
            return self._idle.pop()
        except IndexError:  # asked for rather than counted: other threads take some, too
            return self._connect()

    def _put_back(self, connection: sqlite3.Connection) -> None:
        if self._closed:
            connection.close()
        else:
            self._idle.append(connection)

    async def write(self, batch: Mapping[bytes, bytes | None], *, sync: bool) -> None:
        """See `KeyValue`."""
        await self._commits.write(batch, sync=sync)

    def close(self) -> None:
        """See `KeyValue`."""
        self._commits.close()
        self._closed = True
        for connection in (self._writer, *self._idle):
            connection.close()
        self._idle.clear()
        self._lock.release()

    def _apply(self, batch: Batch, sync: bool) -> None:  # noqa: FBT001  # as CommitQueue calls it
        puts = [(key, value) for key, value in batch.items() if value is not None]
        gone = [(key,) for key, value in batch.items() if value is None]
        try:
            self._writer.execute(f"PRAGMA synchronous={'FULL' if sync else 'NORMAL'}")
            self._writer.execute("BEGIN IMMEDIATE")
            self._writer.executemany("INSERT OR REPLACE INTO kv VALUES (?, ?)", puts)
            self._writer.executemany("DELETE FROM kv WHERE key = ?", gone)
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            failure = self._translated(error)
            if isinstance(failure, StorageFullError):
                self._roll_back()
            raise failure from error

    def _roll_back(self) -> None:
        if self._writer.in_transaction:  # SQLite often has done so by itself
            try:
                self._writer.execute("ROLLBACK")
            except sqlite3.Error as error:
                raise UnavailableError(f"{self._path}: {error}") from error

    def _connect(self) -> sqlite3.Connection:
        # `_writer` is made here and used by the commit thread alone
        try:
            return sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def _translated(self, error: sqlite3.Error) -> XdbError:
        code = getattr(error, "sqlite_errorcode", None)
        if code == sqlite3.SQLITE_FULL:
            return StorageFullError(f"no room left for {self._path}: make room on its disk")
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return CorruptFileError(
                f"{self._path} is damaged ({error}): restore it from a backup, or move it away "
                "and let the node rebuild it"
            )
        return UnavailableError(f"{self._path}: {error}")


def _query(prefix: bytes, after: bytes, *, reverse: bool) -> tuple[str, tuple[bytes, ...]]:
    conditions, values = ["key >= ?"], [prefix]
    if (end := end_of(prefix)) is not None:
        conditions.append("key < ?")
        values.append(end)
    if after:
        conditions.append("key < ?" if reverse else "key > ?")
        values.append(after)
    where, order = " AND ".join(conditions), "DESC" if reverse else "ASC"
    return (
        f"SELECT key, value FROM kv WHERE {where} ORDER BY key {order}",  # noqa: S608  # fixed words
        tuple(values),
    )
