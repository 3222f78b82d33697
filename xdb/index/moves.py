"""Records of migrations: what Move, Extend and Shrink did, by time and by node."""

from dataclasses import dataclass

from xdb.index.keys import (
    MIGRATIONS,
    MIGRATIONS_OF,
    MigrationEntry,
    migration_key,
)
from xdb.index.moment import Moment
from xdb.index.paging import newest_first, page
from xdb.index.staging import Staging, load
from xdb.index.views import MigrationView, Page
from xdb.model.ids import FileId, NodeId
from xdb.model.registry import FileRecord
from xdb.ports.kv import KeyValue

_KEY = 48


@dataclass(frozen=True, slots=True)
class Leg:
    """A slot of so many bytes on its way: from nowhere when added, to nowhere when dropped."""

    slot: int
    source: NodeId | None
    target: NodeId | None
    size: int


def recorded(staging: Staging, at: Moment, record: FileRecord, leg: Leg) -> None:
    """Keeps a migration; `record` is the file's after it."""
    key = migration_key(at.time, record.file, record.version)
    entry = MigrationEntry(leg.slot, leg.source, leg.target, leg.size, at.height)
    staging.save(MIGRATIONS + key, entry)
    for node in (leg.source, leg.target):
        if node is not None:
            staging.put(MIGRATIONS_OF + node + key, b"")


class Migrations:
    """The records, the newest first."""

    def __init__(self, kv: KeyValue) -> None:
        self._kv = kv

    def listed(  # what a list may be narrowed by
        self,
        node: NodeId | None = None,
        *,
        since: int = 0,
        until: int | None = None,
        after: bytes = b"",
        limit: int = 100,
    ) -> Page[MigrationView]:
        """Migrations of [since, until), to or from a node if one is named."""
        prefix = MIGRATIONS if node is None else MIGRATIONS_OF + node
        pairs = newest_first(self._kv, prefix, since, until, after, _KEY)
        return page(pairs, len(prefix), limit, lambda key, _: self._view(key[-_KEY:]))

    def _view(self, key: bytes) -> MigrationView | None:
        entry = load(self._kv.get(MIGRATIONS + key), MigrationEntry)
        if entry is None:
            return None
        time, file, version = key[:8], key[8:40], key[40:]
        return MigrationView(
            time=int.from_bytes(time, "big"),
            height=entry.height,
            file=FileId(file),
            slot=entry.slot,
            version=int.from_bytes(version, "big"),
            source=entry.source,
            target=entry.target,
            size=entry.size,
        )
