"""A key-value store in memory."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping


class MemoryKeyValue:
    """`KeyValue` over a dict; what is written is as durable as the process."""

    def __init__(self, values: Mapping[bytes, bytes] | None = None) -> None:
        self._values = dict(values or {})
        self._keys = sorted(self._values)

    def get(self, key: bytes) -> bytes | None:
        """See `KeyValue`."""
        return self._values.get(key)

    def scan(
        self, prefix: bytes, *, after: bytes = b"", reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """See `KeyValue`."""
        behind = end_of(prefix)
        start = bisect_left(self._keys, prefix)
        end = len(self._keys) if behind is None else bisect_left(self._keys, behind)
        if after and reverse:
            end = min(end, bisect_left(self._keys, after))
        elif after:
            start = max(start, bisect_right(self._keys, after))
        found = [(key, self._values[key]) for key in self._keys[start:end]]
        return iter(found[::-1] if reverse else found)

    async def write(self, batch: Mapping[bytes, bytes | None], *, sync: bool) -> None:  # noqa: ARG002  # nothing to sync
        """See `KeyValue`."""
        for key, value in batch.items():
            if value is not None:
                if key not in self._values:
                    insort(self._keys, key)
                self._values[key] = value
            elif self._values.pop(key, None) is not None:
                del self._keys[bisect_left(self._keys, key)]

    def close(self) -> None:
        """See `KeyValue`."""


def end_of(prefix: bytes) -> bytes | None:
    """The first key behind all that start with `prefix`; None when there is none."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes((stem[-1] + 1,)) if stem else None
