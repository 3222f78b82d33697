"""A storage node's replicas and manifests.

Order of every write: verified -> content synced under a staging name -> renamed ->
directory synced -> entry in the catalog synced -> acknowledged. What is not in the
catalog was never acknowledged; what is there but not on disk is listed as damaged.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from xdb.errors import (
    ConflictError,
    IntegrityError,
    NotFoundError,
    OverloadedError,
    StorageFullError,
    UnavailableError,
)
from xdb.model.ids import FileId
from xdb.model.storage import Commitment, ReplicaKey, SlotRef
from xdb.ports.compute import Buffer, Compute
from xdb.ports.disk import Disk
from xdb.ports.kv import KeyValue
from xdb.store import catalog
from xdb.store.catalog import Catalog, ReplicaEntry, SlotEntry
from xdb.store.checking import Checker, named
from xdb.store.concurrency import to_the_end
from xdb.store.damage import DamageList
from xdb.store.durable import DurableFiles
from xdb.store.formats import (
    REPLICA_BODY,
    ReplicaHeader,
    path_of,
    prologue,
    replica_header,
)
from xdb.store.keyed_lock import KeyedLock
from xdb.store.manifests import Manifests
from xdb.store.removal import Removal
from xdb.store.room import Room, RoomConfig


@dataclass(frozen=True, slots=True)
class StoredSlot:
    """A slot as the store has it; `accepted` once its manifest is here.

    `since` is the chain time at which the newest replica came before that.
    """

    ref: SlotRef
    since: int
    accepted: bool


class ReplicaStore:
    """Keeps replicas on a disk and what it knows of them in a key-value store.

    Open it with `recovery.open_store`; `time` gives chain time. After a failed sync it refuses
    every write, and `files.failed` says why: the node has to end, and re-hashes everything
    when it starts again.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # the ports, the limits, and the chain's facts
        self,
        disk: Disk,
        kv: KeyValue,
        compute: Compute,
        config: RoomConfig,
        leaf_size: int,
        time: Callable[[], int],
    ) -> None:
        self.files = DurableFiles(disk, kv)
        self.catalog = Catalog(kv)
        self.room = Room(config)
        self.leaf_size = leaf_size
        self._time = time
        self._checker = Checker(compute, leaf_size)
        self._damaged = DamageList(self.files, self.catalog, time)
        self._manifests = Manifests(self.files, self.catalog, self._damaged, self.room)
        self._removal = Removal(self.files, self.catalog, self.room, leaf_size)
        self._locks = KeyedLock()  # slots: pushed to by several, changed by one; and replicas

    # ------------------------------------------------------------ replicas

    async def put(self, ref: SlotRef, piece: int, commitment: Commitment, data: Buffer) -> bool:
        """Stores one replica, durable on return; True when it was here before.

        Raises IntegrityError when the bytes are not what `commitment` says,
        ConflictError when the slot has other bytes for this piece, StorageFullError.
        """
        key = ReplicaKey(ref.file, ref.slot, piece)
        async with self._locks.together((ref.file, ref.slot)), self._locks.alone(key):
            if self._is_here(key, commitment):
                return True
            ref = self._known(ref)
            header = replica_header(ref, piece, commitment.length, commitment.root, self.leaf_size)
            size, free = REPLICA_BODY + commitment.length, await self.files.disk.free()
            counted = self.catalog.replica(key) is not None
            async with self.room.taken(ref.owner, size, free, counted=counted):
                await self._checker.check(key, commitment, data)
                await to_the_end(self._store(header, data))
        return False

    async def _store(self, header: ReplicaHeader, data: Buffer) -> None:
        ref, batch, now = header.ref, catalog.Batch(), self._time()
        is_new = self.catalog.replica(header.key) is None
        await self.files.write(header, data)
        entry = self.catalog.slot(ref.file, ref.slot)
        if entry is None or (entry.manifest is None and entry.since < now):
            # the grace of a stray counts from its newest replica: an upload may take days
            entry = SlotEntry(ref.owner, ref.nonce, now)
            catalog.put_slot(batch, ref.file, ref.slot, entry)
        catalog.put_replica(batch, header.key, ReplicaEntry(header.length, header.root))
        try:
            await self.files.commit(batch)
        except StorageFullError:
            if is_new:
                await self.files.remove([header])
            raise
        if is_new:
            self.room.add(ref.owner, REPLICA_BODY + header.length)

    async def get(self, key: ReplicaKey, offset: int = 0, length: int = 0) -> bytes:
        """A range of a replica; length 0 reaches to its end. Not verified: `verify` does that.

        Raises NotFoundError, and IntegrityError when the file is shorter than it should be or
        listed as damaged.
        """
        entry = self._entry(key)
        if offset > entry.length or offset + length > entry.length:
            raise NotFoundError(
                f"{named(key)} has {entry.length} bytes: ask for less than {offset + length}"
            )
        if self.catalog.is_damaged(key) and not await self.verify(key):
            raise IntegrityError(f"{named(key)} is damaged here: ask another holder")
        try:
            return await self._read(key, entry, offset, length or entry.length - offset)
        except IntegrityError as error:
            async with self._locks.alone((key.file, key.slot)):
                self._entry(key)  # it may have been removed meanwhile
                await self._mark(key, entry, str(error))
            raise IntegrityError(f"{named(key)}: {error}: ask another holder") from error

    async def verify(self, key: ReplicaKey) -> bool:
        """Re-hashes a replica; False, and listed as damaged, when it is not what it was.

        One that was listed and is sound is listed no more.
        """
        async with self._locks.together((key.file, key.slot)), self._locks.alone(key):
            entry = self._entry(key)
            reason = await self._damage(key, entry)
            if reason:
                await self._mark(key, entry, reason)
            else:
                await self._damaged.clear(key.file, key.slot, key.piece)
            return not reason

    async def mark_damaged(self, key: ReplicaKey, reason: str) -> None:
        """Lists a replica as damaged until it is pushed again."""
        async with self._locks.alone((key.file, key.slot)):
            await self._mark(key, self._entry(key), reason)

    async def touch(self, key: ReplicaKey) -> None:
        """UnavailableError when the disk gives nothing: neither bytes, nor that there are none."""
        with suppress(IntegrityError, NotFoundError):
            await self._read(key, self._entry(key), 0, 1)

    async def _damage(self, key: ReplicaKey, entry: ReplicaEntry) -> str:
        header = self._header(key, entry)
        before = prologue(header)
        whole = len(before) + entry.length
        try:
            data = await self.files.disk.read(path_of(header), 0, whole + 1)
        except NotFoundError:
            return "its file is missing"
        except OverloadedError:
            raise
        except UnavailableError as error:
            return str(error)
        if len(data) != whole:
            return f"its file is too {'short' if len(data) < whole else 'long'}"
        if not data.startswith(before):
            return "its header has changed"
        if await self._checker.commitment(memoryview(data)[len(before) :]) != entry.commitment:
            return "its bytes have changed"
        return ""

    async def _read(self, key: ReplicaKey, entry: ReplicaEntry, offset: int, length: int) -> bytes:
        path = path_of(self._header(key, entry))
        try:
            data = await self.files.disk.read(path, REPLICA_BODY + offset, length)
        except NotFoundError as error:
            raise IntegrityError("its file is missing") from error
        if len(data) != length:
            raise IntegrityError("its file is too short")
        return data

    async def _mark(self, key: ReplicaKey, entry: ReplicaEntry, reason: str) -> None:
        if self.catalog.replica(key) == entry:  # not what came or went meanwhile
            await self._damaged.add(key.file, key.slot, key.piece, reason)

    def commitment(self, key: ReplicaKey) -> Commitment | None:
        """What a replica is, when it is here and sound."""
        entry = self.catalog.replica(key)
        return None if entry is None or self.catalog.is_damaged(key) else entry.commitment

    # ------------------------------------------------------------ manifests and slots

    async def put_manifest(self, ref: SlotRef, data: bytes) -> None:
        """Stores the manifest of a slot; from then on the slot is accepted. Durable on return."""
        async with self._locks.alone((ref.file, ref.slot)):
            await self._manifests.put(ref, data)

    async def get_manifest(self, file: FileId, slot: int) -> bytes:
        """The manifest as it was accepted; NotFoundError, IntegrityError when it is damaged."""
        try:
            return await self._manifests.get(file, slot)
        except IntegrityError:
            await self.verify_manifest(file, slot)  # lists it
            raise

    async def verify_manifest(self, file: FileId, slot: int) -> bool:
        """Re-hashes a manifest, lists it or strikes it off; False when it is damaged."""
        async with self._locks.alone((file, slot)):
            return await self._manifests.verify(file, slot)

    def slot(self, file: FileId, slot: int) -> StoredSlot | None:
        """A slot, when anything of it is here."""
        entry = self.catalog.slot(file, slot)
        return None if entry is None else _stored(file, slot, entry)

    def slots(self, after: bytes = b"") -> Iterator[tuple[bytes, StoredSlot]]:
        """All slots, each behind the cursor to go on from."""
        for file, number, entry in self.catalog.slots(after):
            yield catalog.cursor(file, number), _stored(file, number, entry)

    async def remove(self, file: FileId, slot: int) -> None:
        """Removes a slot, its replicas and its manifest. What is not here is fine."""
        await self.remove_if(file, slot, lambda: True)

    async def remove_if(self, file: FileId, slot: int, still: Callable[[], bool]) -> int | None:
        """Removes a slot if, with nobody else at it, `still` says so; the bytes freed, or None."""
        async with self._locks.alone((file, slot)):
            return await to_the_end(self._removal.run(file, slot)) if still() else None

    # ------------------------------------------------------------ what is missing

    async def list_missing(
        self, file: FileId, slot: int, missing: Callable[[], Sequence[int | None]], reason: str
    ) -> int:
        """Lists what `missing` names, with nobody else at the slot, as damaged; how much is new.

        It names pieces, and None for the manifest, that have no entry here and should.
        """
        async with self._locks.alone((file, slot)):
            return await self._damaged.add_all(file, slot, missing(), reason)

    async def forget_missing(self, file: FileId, slot: int, still: Callable[[], bool]) -> bool:
        """Strikes off a slot of which nothing is here, if `still` says so."""
        async with self._locks.alone((file, slot)):
            if self.catalog.slot(file, slot) is not None or not still():
                return False
            await self._damaged.clear(file, slot, None)
            return True

    # ------------------------------------------------------------ inside

    def _known(self, ref: SlotRef) -> SlotRef:
        # a slot keeps the owner and nonce it came with: its files are named after them
        entry = self.catalog.slot(ref.file, ref.slot)
        return ref if entry is None else entry.ref(ref.file, ref.slot)

    def _is_here(self, key: ReplicaKey, commitment: Commitment) -> bool:
        entry = self.catalog.replica(key)
        if entry is None:
            return False
        if entry.commitment != commitment:
            raise ConflictError(
                f"{named(key)} has other bytes here: use a new file id for other content"
            )
        return not self.catalog.is_damaged(key)

    def _entry(self, key: ReplicaKey) -> ReplicaEntry:
        entry = self.catalog.replica(key)
        if entry is None:
            raise NotFoundError(f"{named(key)} is not here: ask its holder")
        return entry

    def _header(self, key: ReplicaKey, entry: ReplicaEntry) -> ReplicaHeader:
        slot = self.catalog.slot(key.file, key.slot)
        if slot is None:
            raise NotFoundError(f"{named(key)} is not here: ask its holder")
        ref = slot.ref(key.file, key.slot)
        return replica_header(ref, key.piece, entry.length, entry.root, self.leaf_size)


def _stored(file: FileId, slot: int, entry: SlotEntry) -> StoredSlot:
    return StoredSlot(entry.ref(file, slot), entry.since, entry.manifest is not None)
