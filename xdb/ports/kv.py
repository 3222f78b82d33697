"""A sorted key-value store."""

from collections.abc import Iterator, Mapping
from typing import Protocol


class KeyValue(Protocol):
    """Keys sort as bytes. Reads see every completed write and take microseconds.

    Reads may come from any thread.

    Raises CorruptFileError on a damaged store, UnavailableError on other failures.
    """

    def get(self, key: bytes) -> bytes | None:
        """The value, or None."""
        ...

    def scan(
        self, prefix: bytes, *, after: bytes = b"", reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Pairs whose key starts with `prefix`, in order of keys, as of the call.

        With `after`, only keys behind it in the direction of the scan.
        """
        ...

    async def write(self, batch: Mapping[bytes, bytes | None], *, sync: bool) -> None:
        """Puts, and with None deletes, all or nothing; survives a crash when `sync`.

        Writes become visible and durable in the order of the calls. A failed sync
        leaves the outcome unknown.
        """
        ...

    def close(self) -> None:
        """Releases the store and its lock; safe to repeat."""
        ...
