"""The manifests of slots."""

from hashlib import sha256

from xdb.errors import ConflictError, IntegrityError, NotFoundError
from xdb.model.ids import Digest, FileId
from xdb.model.storage import SlotRef
from xdb.store import catalog
from xdb.store.catalog import Catalog, SlotEntry
from xdb.store.checking import named
from xdb.store.concurrency import to_the_end
from xdb.store.durable import DurableFiles
from xdb.store.formats import MANIFEST_BODY, ManifestHeader, manifest_header, path_of
from xdb.store.room import Room


class Manifests:
    """Stores and reads them. Whoever stores one holds the slot alone."""

    def __init__(self, files: DurableFiles, known: Catalog, room: Room) -> None:
        self._files = files
        self._catalog = known
        self._room = room

    async def put(self, ref: SlotRef, data: bytes) -> None:
        """Stores a manifest, durable on return. What is damaged here is mended by it."""
        entry = self._catalog.slot(ref.file, ref.slot)
        if entry is None:
            raise NotFoundError(f"{named(ref)}: push its replicas first")
        ref = entry.ref(ref.file, ref.slot)
        header = manifest_header(ref, len(data), Digest(sha256(data).digest()))
        if entry.manifest not in (None, header.digest):
            raise ConflictError(f"{named(ref)} has another manifest: use a new file id")
        if entry.manifest is not None and await self._is_sound(header):
            return
        size = MANIFEST_BODY + len(data)
        async with self._room.taken(ref.owner, size, await self._files.disk.free()):
            await to_the_end(self._store(header, data, entry))

    async def _store(self, header: ManifestHeader, data: bytes, former: SlotEntry) -> None:
        await self._files.write(header, data)
        batch = catalog.Batch()
        entry = SlotEntry(header.owner, header.nonce, former.since, header.digest, header.length)
        catalog.put_slot(batch, header.file, header.slot, entry)
        await self._files.commit(batch)
        if former.manifest is None:
            self._room.add(header.owner, MANIFEST_BODY + header.length)

    async def get(self, file: FileId, slot: int) -> bytes:
        """A manifest as it was accepted."""
        entry = self._catalog.slot(file, slot)
        if entry is None or entry.manifest is None:
            raise NotFoundError(f"slot {slot} of file {file.hex()} is not here: ask its holder")
        ref = entry.ref(file, slot)
        data = await self._read(manifest_header(ref, entry.manifest_length, entry.manifest))
        if data is None:
            raise IntegrityError(f"{named(ref)}: its manifest is damaged: ask another holder")
        return data

    async def _is_sound(self, header: ManifestHeader) -> bool:
        return await self._read(header) is not None

    async def _read(self, header: ManifestHeader) -> bytes | None:
        try:
            data = await self._files.disk.read(path_of(header), MANIFEST_BODY, header.length)
        except NotFoundError:
            return None
        return data if sha256(data).digest() == header.digest else None
