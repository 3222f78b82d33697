"""A storage node's replicas and manifests.

Order of every write: verified -> content synced under a staging name -> renamed ->
directory synced -> entry in the catalog synced -> acknowledged. What is not in the
catalog was never acknowledged; what is there but not on disk is listed as damaged.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from xdb.core.merkle import replica_root
from xdb.core.sealing import commit
from xdb.errors import (
    ConflictError,
    IntegrityError,
    NotFoundError,
)
from xdb.model.ids import Digest, FileId
from xdb.model.storage import Commitment, ReplicaKey, SlotRef
from xdb.ports.compute import Buffer, Compute
from xdb.ports.disk import Disk
from xdb.ports.kv import KeyValue
from xdb.store import catalog
from xdb.store.catalog import Catalog, ReplicaEntry, SlotEntry
from xdb.store.durable import DurableFiles
from xdb.store.formats import (
    MANIFEST_BODY,
    REPLICA_BODY,
    Header,
    ReplicaHeader,
    manifest_header,
    path_of,
    prologue,
    replica_header,
)
from xdb.store.keyed_lock import KeyedLock
from xdb.store.room import Room, RoomConfig

SMALL = 64 << 10
"""Replicas up to this size are committed to on the spot: sending them away costs more."""


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

    Open it with `recovery.open_store`. After a failed sync it refuses every write, and
    `files.failed` says why: the node has to end, and re-hashes everything when it starts again.
    """

    def __init__(
        self, disk: Disk, kv: KeyValue, compute: Compute, config: RoomConfig, leaf_size: int
    ) -> None:
        self.files = DurableFiles(disk, kv)
        self.catalog = Catalog(kv)
        self.room = Room(config)
        self.leaf_size = leaf_size
        self._compute = compute
        self._locks = KeyedLock()

    # ------------------------------------------------------------ replicas

    async def put(
        self, ref: SlotRef, piece: int, commitment: Commitment, data: Buffer, now: int
    ) -> bool:
        """Stores one replica, durable on return; True when it was here before.

        Raises IntegrityError when the bytes are not what `commitment` says,
        ConflictError when the slot has other bytes for this piece, StorageFullError.
        """
        key = ReplicaKey(ref.file, ref.slot, piece)
        ref = self._known(ref)
        async with self._locks.alone(key):
            if self._is_here(key, commitment):
                return True
            header = replica_header(ref, piece, commitment.length, commitment.root, self.leaf_size)
            size = REPLICA_BODY + commitment.length
            async with self.room.taken(ref.owner, size, await self.files.disk.free()):
                await self._verify(key, commitment, data)
                await self.files.write(header, data)
                await self._enter(header, now)
        return False

    async def _enter(self, header: ReplicaHeader, now: int) -> None:
        ref, batch = header.ref, catalog.Batch()
        async with self._locks.alone((ref.file, ref.slot)):
            entry = self.catalog.slot(ref.file, ref.slot)
            if entry is None or (entry.manifest is None and entry.since < now):
                # the grace of a stray counts from its newest replica: an upload may take days
                entry = SlotEntry(ref.owner, ref.nonce, now)
                catalog.put_slot(batch, ref.file, ref.slot, entry)
            is_new = self.catalog.replica(header.key) is None
            catalog.put_replica(batch, header.key, ReplicaEntry(header.length, header.root))
            await self.files.commit(batch)
            if is_new:
                self.room.add(ref.owner, REPLICA_BODY + header.length)

    async def get(self, key: ReplicaKey, offset: int = 0, length: int = 0) -> bytes:
        """A range of a replica; length 0 reaches to its end. Not verified: `verify` does that.

        Raises NotFoundError, and IntegrityError when the file is shorter than it should be.
        """
        entry = self._entry(key)
        if offset > entry.length or offset + length > entry.length:
            raise NotFoundError(
                f"{_named(key)} has {entry.length} bytes: ask for less than {offset + length}"
            )
        wanted = length or entry.length - offset
        path = path_of(self._header(key, entry))
        try:
            data = await self.files.disk.read(path, REPLICA_BODY + offset, wanted)
        except NotFoundError as error:
            await self.mark_damaged(key, "its file is missing")
            raise IntegrityError(f"{_named(key)}: its file is missing: ask another holder") from (
                error
            )
        if len(data) != wanted:
            await self.mark_damaged(key, "its file is too short")
            raise IntegrityError(f"{_named(key)}: its file is too short: ask another holder")
        return data

    async def verify(self, key: ReplicaKey) -> bool:
        """Re-hashes a replica; False, and listed as damaged, when it is not what it was."""
        entry = self._entry(key)
        try:
            data = await self.get(key)
        except IntegrityError:
            return False
        if await self._commitment(data) == entry.commitment:
            return True
        await self.mark_damaged(key, "its bytes have changed")
        return False

    async def mark_damaged(self, key: ReplicaKey, reason: str) -> None:
        """Lists a replica as damaged until it is pushed again."""
        batch = catalog.Batch()
        catalog.put_damage(batch, key, reason)
        await self.files.commit(batch)

    def commitment(self, key: ReplicaKey) -> Commitment | None:
        """What a replica is, when it is here and sound."""
        entry = self.catalog.replica(key)
        return None if entry is None or self.catalog.is_damaged(key) else entry.commitment

    # ------------------------------------------------------------ manifests and slots

    async def put_manifest(self, ref: SlotRef, data: bytes) -> None:
        """Stores the manifest of a slot; from then on the slot is accepted. Durable on return."""
        async with self._locks.alone((ref.file, ref.slot)):
            await self._put_manifest(ref, data)

    async def _put_manifest(self, ref: SlotRef, data: bytes) -> None:
        entry = self.catalog.slot(ref.file, ref.slot)
        if entry is None:
            raise NotFoundError(f"{_named(ref)}: push its replicas first")
        ref = entry.ref(ref.file, ref.slot)
        digest = Digest(sha256(data).digest())
        if entry.manifest == digest:
            return
        if entry.manifest is not None:
            raise ConflictError(f"{_named(ref)} has another manifest: use a new file id")
        size = MANIFEST_BODY + len(data)
        async with self.room.taken(ref.owner, size, await self.files.disk.free()):
            await self.files.write(manifest_header(ref, len(data), digest), data)
            batch = catalog.Batch()
            accepted = SlotEntry(entry.owner, entry.nonce, entry.since, digest, len(data))
            catalog.put_slot(batch, ref.file, ref.slot, accepted)
            await self.files.commit(batch)
            self.room.add(ref.owner, size)

    async def get_manifest(self, file: FileId, slot: int) -> bytes:
        """The manifest as it was accepted; NotFoundError, IntegrityError when it is damaged."""
        entry = self.catalog.slot(file, slot)
        if entry is None or entry.manifest is None:
            raise NotFoundError(f"slot {slot} of file {file.hex()} is not here: ask its holder")
        ref = entry.ref(file, slot)
        header = manifest_header(ref, entry.manifest_length, entry.manifest)
        try:
            data = await self.files.disk.read(path_of(header), MANIFEST_BODY)
        except NotFoundError:
            data = b""
        if sha256(data).digest() != entry.manifest:
            raise IntegrityError(f"{_named(ref)}: its manifest is damaged: ask another holder")
        return data

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
        async with self._locks.alone((file, slot)):
            await self._remove(file, slot)

    async def remove_stray(self, file: FileId, slot: int, before: int) -> bool:
        """Removes a slot for which nothing came since `before`; True when it is gone."""
        async with self._locks.alone((file, slot)):
            entry = self.catalog.slot(file, slot)
            if entry is not None and entry.since >= before:
                return False
            await self._remove(file, slot)
            return True

    async def _remove(self, file: FileId, slot: int) -> None:
        entry = self.catalog.slot(file, slot)
        if entry is None:
            return
        ref = entry.ref(file, slot)
        headers: list[Header] = []
        batch = catalog.Batch()
        for piece, replica in self.catalog.replicas(file, slot):
            headers.append(replica_header(ref, piece, replica.length, replica.root, self.leaf_size))
            catalog.drop_replica(batch, ReplicaKey(file, slot, piece))
        if entry.manifest is not None:
            headers.append(manifest_header(ref, entry.manifest_length, entry.manifest))
        catalog.drop_slot(batch, file, slot)
        # entries first: a crash in between leaves files that recovery removes, never holes
        await self.files.commit(batch)
        await self.files.remove(headers)
        for header in headers:
            self.room.remove(ref.owner, len(prologue(header)) + header.length)

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
                f"{_named(key)} has other bytes here: use a new file id for other content"
            )
        return not self.catalog.is_damaged(key)

    async def _verify(self, key: ReplicaKey, commitment: Commitment, data: Buffer) -> None:
        length = memoryview(data).nbytes
        if length != commitment.length:
            raise IntegrityError(
                f"{_named(key)}: {length} bytes came where {commitment.length} were announced: "
                "push it again"
            )
        if (await self._commitment(data)).root != commitment.root:
            raise IntegrityError(
                f"{_named(key)}: the bytes do not have the announced root: push it again"
            )

    async def _commitment(self, data: Buffer) -> Commitment:
        if memoryview(data).nbytes <= SMALL:
            return Commitment(memoryview(data).nbytes, replica_root(data, self.leaf_size))
        return await self._compute.in_process(commit, data, self.leaf_size)

    def _entry(self, key: ReplicaKey) -> ReplicaEntry:
        entry = self.catalog.replica(key)
        if entry is None:
            raise NotFoundError(f"{_named(key)} is not here: ask its holder")
        return entry

    def _header(self, key: ReplicaKey, entry: ReplicaEntry) -> ReplicaHeader:
        slot = self.catalog.slot(key.file, key.slot)
        if slot is None:
            raise NotFoundError(f"{_named(key)} is not here: ask its holder")
        ref = slot.ref(key.file, key.slot)
        return replica_header(ref, key.piece, entry.length, entry.root, self.leaf_size)


def _stored(file: FileId, slot: int, entry: SlotEntry) -> StoredSlot:
    return StoredSlot(entry.ref(file, slot), entry.since, entry.manifest is not None)


def _named(what: ReplicaKey | SlotRef) -> str:
    where = f"slot {what.slot} of file {what.file.hex()}"
    return f"piece {what.piece} of {where}" if isinstance(what, ReplicaKey) else where
