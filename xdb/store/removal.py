"""Removing slots, with everything that is known of them."""

from xdb.model.ids import FileId
from xdb.model.storage import ReplicaKey
from xdb.store import catalog
from xdb.store.catalog import Catalog
from xdb.store.durable import DurableFiles
from xdb.store.formats import Header, manifest_header, prologue, replica_header
from xdb.store.room import Room


class Removal:
    """Over one store. Whoever removes a slot holds it alone."""

    def __init__(self, files: DurableFiles, known: Catalog, room: Room, leaf_size: int) -> None:
        self._files = files
        self._catalog = known
        self._room = room
        self._leaf_size = leaf_size

    async def run(self, file: FileId, slot: int) -> int:
        """Removes replicas, manifest and entries; gives the bytes that this freed."""
        entry = self._catalog.slot(file, slot)
        if entry is None:
            return 0
        ref = entry.ref(file, slot)
        headers: list[Header] = []
        batch = catalog.Batch()
        if entry.manifest is not None:  # goes first: what a crash leaves is no longer accepted
            headers.append(manifest_header(ref, entry.manifest_length, entry.manifest))
        for piece, replica in self._catalog.replicas(file, slot):
            header = replica_header(ref, piece, replica.length, replica.root, self._leaf_size)
            headers.append(header)
            catalog.drop_replica(batch, ReplicaKey(file, slot, piece))
        for piece in self._catalog.damaged_pieces(file, slot):  # missing ones have no entry
            catalog.put_damage(batch, file, slot, piece, None)
        catalog.drop_slot(batch, file, slot)
        # entries first: a crash in between leaves files that opening enters again, never holes
        await self._files.commit(batch)
        await self._files.remove(headers)
        sizes = [len(prologue(header)) + header.length for header in headers]
        for size in sizes:
            self._room.remove(ref.owner, size)
        return sum(sizes)
