"""Entering files into the catalog again, by what their headers say."""

from collections.abc import Sequence

from xdb.errors import CorruptFileError
from xdb.model.storage import ReplicaKey
from xdb.store import catalog
from xdb.store.catalog import ReplicaEntry, SlotEntry
from xdb.store.concurrency import for_each
from xdb.store.formats import (
    MANIFEST_BODY,
    REPLICA_BODY,
    H,
    Header,
    ManifestHeader,
    ReplicaHeader,
    path_of,
    read_prologue,
)
from xdb.store.replicas import ReplicaStore

_SIDE_BY_SIDE = 32  # so that many share a sync


class Readmission:
    """Goes through files that have no entry, and notes what became of them.

    They become part of their slot, which counts as new at chain time `now`. What fits
    nowhere is left where it is: a damaged header, a place that is taken, another owner.
    """

    def __init__(self, store: ReplicaStore, now: int) -> None:
        self.count = 0
        self.replicas: list[tuple[ReplicaKey, int]] = []
        self.unfit: list[str] = []
        self._store = store
        self._now = now

    async def run(self, paths: Sequence[str]) -> None:
        """Enters what fits; replicas come before manifests."""
        replicas = [path for path in paths if path.startswith("replicas/")]
        manifests = [path for path in paths if path.startswith("manifests/")]
        await for_each(replicas, self._replica, side_by_side=_SIDE_BY_SIDE)
        await for_each(manifests, self._manifest, side_by_side=_SIDE_BY_SIDE)

    def within(self, size: int) -> list[ReplicaKey]:
        """The first of the replicas entered that together have at most `size` bytes."""
        chosen = []
        for key, length in self.replicas:
            size -= length
            if size < 0:
                break
            chosen.append(key)
        return chosen

    async def _replica(self, path: str) -> None:
        data = await self._store.files.disk.read(path, 0, REPLICA_BODY)
        header = self._header(ReplicaHeader, data, path)
        if header is None or self._store.catalog.replica(header.key) is not None:
            self.unfit.append(path)
            return
        batch = catalog.Batch()
        if self._store.catalog.slot(header.file, header.slot) is None:
            entry = SlotEntry(header.owner, header.nonce, self._now)
            catalog.put_slot(batch, header.file, header.slot, entry)
        catalog.put_replica(batch, header.key, ReplicaEntry(header.length, header.root))
        await self._commit(header, batch, REPLICA_BODY)
        self.replicas.append((header.key, header.length))

    async def _manifest(self, path: str) -> None:
        data = await self._store.files.disk.read(path)
        header = self._header(ManifestHeader, data[:MANIFEST_BODY], path)
        known = None
        if header is not None:
            known = self._store.catalog.slot(header.file, header.slot)
        if header is None or known is None or known.manifest is not None:
            self.unfit.append(path)
            return
        batch = catalog.Batch()
        entry = SlotEntry(header.owner, header.nonce, known.since, header.digest, header.length)
        catalog.put_slot(batch, header.file, header.slot, entry)
        await self._commit(header, batch, MANIFEST_BODY)

    def _header(self, kind: type[H], data: bytes, path: str) -> H | None:
        try:
            header = read_prologue(kind, data, path)
        except CorruptFileError:
            return None
        known = self._store.catalog.slot(header.file, header.slot)
        same_owner = known is None or known.ref(header.file, header.slot) == header.ref
        same_leaves = getattr(header, "leaf_size", self._store.leaf_size) == self._store.leaf_size
        return header if path_of(header) == path and same_owner and same_leaves else None

    async def _commit(self, header: Header, batch: catalog.Batch, body: int) -> None:
        await self._store.files.commit(batch)
        self._store.room.add(header.owner, body + header.length)
        self.count += 1
