"""The manifests of slots."""

from hashlib import sha256

from xdb.errors import (
    ConflictError,
    IntegrityError,
    NotFoundError,
    OverloadedError,
    UnavailableError,
)
from xdb.model.ids import Digest, FileId
from xdb.model.storage import SlotRef
from xdb.store import catalog
from xdb.store.catalog import Catalog, SlotEntry
from xdb.store.checking import named
from xdb.store.concurrency import to_the_end
from xdb.store.damage import DamageList
from xdb.store.durable import DurableFiles
from xdb.store.formats import (
    MANIFEST_BODY,
    ManifestHeader,
    manifest_header,
    path_of,
    prologue,
)
from xdb.store.room import Room


class Manifests:
    """Stores and reads them. Whoever stores or verifies one holds the slot alone."""

    def __init__(self, files: DurableFiles, known: Catalog, damage: DamageList, room: Room) -> None:
        self._files = files
        self._catalog = known
        self._damage = damage
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
        if entry.manifest is not None and not await self._fault(header):
            await self._damage.clear(ref.file, ref.slot, None)
            return
        size, free = MANIFEST_BODY + len(data), await self._files.disk.free()
        counted = entry.manifest is not None
        async with self._room.taken(ref.owner, size, free, counted=counted):
            await to_the_end(self._store(header, data, entry))

    async def _store(self, header: ManifestHeader, data: bytes, former: SlotEntry) -> None:
        await self._files.write(header, data)
        batch = catalog.Batch()
        entry = SlotEntry(header.owner, header.nonce, former.since, header.digest, header.length)
        catalog.put_slot(batch, header.file, header.slot, entry)
        catalog.put_damage(batch, header.file, header.slot, None, None)
        await self._files.commit(batch)
        if former.manifest is None:
            self._room.add(header.owner, MANIFEST_BODY + header.length)

    async def get(self, file: FileId, slot: int) -> bytes:
        """A manifest as it was accepted."""
        header = self._header(file, slot)
        try:
            return await self._read(header)
        except IntegrityError as error:
            raise IntegrityError(
                f"{named(header.ref)}: its manifest is damaged ({error}): ask another holder"
            ) from error

    async def verify(self, file: FileId, slot: int) -> bool:
        """Whether a manifest is what was accepted; it is listed accordingly."""
        fault = await self._fault(self._header(file, slot))
        if fault:
            await self._damage.add(file, slot, None, fault)
        else:
            await self._damage.clear(file, slot, None)
        return not fault

    def _header(self, file: FileId, slot: int) -> ManifestHeader:
        entry = self._catalog.slot(file, slot)
        if entry is None or entry.manifest is None:
            raise NotFoundError(f"slot {slot} of file {file.hex()} is not here: ask its holder")
        return manifest_header(entry.ref(file, slot), entry.manifest_length, entry.manifest)

    async def _fault(self, header: ManifestHeader) -> str:
        try:
            await self._read(header)
        except OverloadedError:
            raise
        except (IntegrityError, UnavailableError) as error:
            return str(error)
        return ""

    async def _read(self, header: ManifestHeader) -> bytes:
        before = prologue(header)
        whole = len(before) + header.length
        try:
            data = await self._files.disk.read(path_of(header), 0, whole + 1)
        except NotFoundError as error:
            raise IntegrityError("its file is missing") from error
        if not data.startswith(before):
            raise IntegrityError("its header has changed")
        if sha256(data[len(before) :]).digest() != header.digest:
            raise IntegrityError("its bytes have changed")
        return data[len(before) :]
