"""Changes on their way into the store: readable at once, written together or not at all."""

from collections.abc import Iterator
from typing import TypeVar

from xdb.core.encoding import decode, encode
from xdb.errors import CorruptFileError
from xdb.index.keys import Change, Undo
from xdb.ports.kv import KeyValue

T = TypeVar("T")


class Staging:
    """Changes to a store. Those of one event can be dropped until they are kept."""

    def __init__(self, kv: KeyValue) -> None:
        self._kv = kv
        self._kept: dict[bytes, bytes | None] = {}
        self._event: dict[bytes, bytes | None] = {}

    def get(self, key: bytes) -> bytes | None:
        """The value as it will be, or None."""
        if key in self._event:
            return self._event[key]
        return self._kept[key] if key in self._kept else self._kv.get(key)

    def stored(self, prefix: bytes) -> Iterator[bytes]:
        """Keys as they were before this block."""
        return (key for key, _ in self._kv.scan(prefix))

    def put(self, key: bytes, value: bytes | None) -> None:
        """Changes a value, or with None removes it."""
        self._event[key] = value

    def load(self, key: bytes, kind: type[T]) -> T | None:
        """A record as it will be, or None."""
        return load(self.get(key), kind)

    def save(self, key: bytes, record: object) -> None:
        """Puts a record; ValueError when it cannot be written."""
        self.put(key, encode(record))

    def keep(self) -> None:
        """The event is done."""
        self._kept |= self._event
        self._event = {}

    def drop(self) -> None:
        """The event never was."""
        self._event = {}

    def batch(self) -> dict[bytes, bytes | None]:
        """What to write."""
        return dict(self._kept)

    def undo(self) -> Undo:
        """What to write to be where it began."""
        return Undo(tuple(Change(key, self._kv.get(key)) for key in sorted(self._kept)))


def load(data: bytes | None, kind: type[T]) -> T | None:
    """A stored record; CorruptFileError when it is damaged."""
    if data is None:
        return None
    try:
        return decode(kind, data)
    except ValueError as error:
        raise CorruptFileError(
            f"the index holds a damaged {kind.__name__} ({error}): remove its directory, it is "
            "made again from the chain"
        ) from error
