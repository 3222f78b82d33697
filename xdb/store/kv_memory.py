"""A key-value store in memory."""

from collections.abc import Iterator, Mapping
from operator import itemgetter


class MemoryKeyValue:
    """`KeyValue` over a dict; what is written is as durable as the process."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        """See `KeyValue`."""
        return self._values.get(key)

    def scan(
        self, prefix: bytes, *, after: bytes = b"", reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """See `KeyValue`."""
        found = [item for item in self._values.items() if item[0].startswith(prefix)]
        if after:
            found = [item for item in found if (item[0] < after if reverse else item[0] > after)]
        return iter(sorted(found, key=itemgetter(0), reverse=reverse))

    async def write(self, batch: Mapping[bytes, bytes | None], *, sync: bool) -> None:  # noqa: ARG002  # nothing to sync
        """See `KeyValue`."""
        for key, value in batch.items():
            if value is None:
                self._values.pop(key, None)
            else:
                self._values[key] = value

    def close(self) -> None:
        """See `KeyValue`."""
