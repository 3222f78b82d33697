"""State with a version for every key, and what a call has read of it: as Fabric's peers have it."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from xdb.core.rules import Effects
from xdb.model.ids import Digest

MVCC = "a key that it read was written meanwhile"
PHANTOM = "a range that it read was changed meanwhile"
_NEWEST = 1 << 62
Version = tuple[int, int]
"""Block and place in the block of the last write."""


@dataclass(frozen=True, slots=True)
class Read:
    """A key, and the version that was found; None when there was none ever."""

    key: bytes
    version: Version | None


@dataclass(frozen=True, slots=True)
class Scan:
    """A range, and what was found in it."""

    prefix: bytes
    limit: int
    found: tuple[Read, ...]


@dataclass(frozen=True, slots=True)
class _Value:
    version: Version
    value: bytes | None


class VersionedState:
    """Everything that ever was under a key; nothing is undone here."""

    def __init__(self) -> None:
        self._values: dict[bytes, list[_Value]] = {}
        self._keys: list[bytes] = []

    def write(self, writes: Iterable[tuple[bytes, bytes | None]], version: Version) -> None:
        """Applies writes; versions never fall."""
        for key, value in writes:
            if key not in self._values:
                insort(self._keys, key)
            self._values.setdefault(key, []).append(_Value(version, value))

    def at(self, height: int) -> "Snapshot":
        """The state behind a block."""
        return Snapshot(self, height)

    def find(self, key: bytes, height: int) -> tuple[Version | None, bytes | None]:
        """A key's version and value behind a block."""
        for found in reversed(self._values.get(key, ())):
            if found.version[0] <= height:
                return found.version, found.value
        return None, None

    def under(self, prefix: bytes) -> Iterator[bytes]:
        """Keys that were ever written, in order."""
        for key in self._keys[bisect_left(self._keys, prefix) :]:
            if not key.startswith(prefix):
                return
            yield key


@dataclass
class Snapshot:
    """A `Reader` of the rules as of one block, which notes what it is asked."""

    state: VersionedState
    height: int
    reads: dict[bytes, Read] = field(default_factory=dict)
    scans: list[Scan] = field(default_factory=list)

    def get(self, key: bytes) -> bytes | None:
        """See `Reader`."""
        version, value = self.state.find(key, self.height)
        self.reads[key] = Read(key, version)
        return value

    def scan(self, prefix: bytes, limit: int) -> Iterable[tuple[bytes, bytes]]:
        """See `Reader`."""
        found = list(islice(self._present(prefix), limit))
        reads = tuple(Read(key, version) for key, version, _ in found)
        self.scans.append(Scan(prefix, limit, reads))
        return [(key, value) for key, _, value in found]

    def stale(self) -> str:
        """What was read and is not so any more, in the newest state; empty when all is."""
        newest = Snapshot(self.state, _NEWEST)
        for read in self.reads.values():
            if self.state.find(read.key, _NEWEST)[0] != read.version:
                return MVCC
        for scan in self.scans:
            newest.scan(scan.prefix, scan.limit)
            if newest.scans[-1] != scan:
                return PHANTOM
        return ""

    def _present(self, prefix: bytes) -> Iterator[tuple[bytes, Version, bytes]]:
        for key in self.state.under(prefix):
            version, value = self.state.find(key, self.height)
            if version is not None and value is not None:
                yield key, version, value


@dataclass(frozen=True, slots=True)
class Endorsed:
    """A call as it was executed: what it read and would do. `id` is another for each attempt."""

    id: Digest
    envelope: Digest
    snapshot: Snapshot
    effects: Effects
