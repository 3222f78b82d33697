"""Opening a replica store: what a crash left is put in order first.

- Files under staging names were never acknowledged: removed.
- After a failed sync nothing on the disk is certain: every replica is re-hashed, and what
  is wrong listed as damaged.
- When the catalog is lost it is made again from the files' headers; replicas are re-hashed.
"""

from dataclasses import dataclass
from hashlib import sha256

from xdb.errors import CorruptFileError
from xdb.model.storage import ReplicaKey
from xdb.ports.compute import Compute
from xdb.ports.disk import Disk
from xdb.ports.kv import KeyValue
from xdb.store import catalog
from xdb.store.catalog import ReplicaEntry, SlotEntry
from xdb.store.durable import SUSPECT
from xdb.store.formats import (
    MANIFEST_BODY,
    REPLICA_BODY,
    ManifestHeader,
    ReplicaHeader,
    path_of,
    read_prologue,
)
from xdb.store.replicas import ReplicaStore
from xdb.store.room import RoomConfig


@dataclass(frozen=True, slots=True)
class Recovery:
    """What opening found and did."""

    staged: int = 0  # files removed that were never acknowledged
    rebuilt: int = 0  # entries made again from headers
    damaged: int = 0  # replicas newly listed as damaged
    unreadable: tuple[str, ...] = ()  # files whose header says nothing; left where they are


async def open_store(  # noqa: PLR0913, PLR0917  # the ports, the limits, and the chain's leaf size
    disk: Disk, kv: KeyValue, compute: Compute, config: RoomConfig, leaf_size: int, now: int
) -> tuple[ReplicaStore, Recovery]:
    """The store on `disk` and `kv`, in order; `now` is chain time."""
    store = ReplicaStore(disk, kv, compute, config, leaf_size)
    staged = await _remove_staged(disk)
    rebuilt, unreadable = 0, tuple[str, ...]()
    if next(iter(store.catalog.slots()), None) is None:
        rebuilt, unreadable = await _rebuild(store, now)
    _count(store)
    damaged = 0
    suspect = SUSPECT in await disk.names("")
    if suspect or rebuilt:
        damaged = await _verify_all(store)
    if suspect:
        await disk.remove(SUSPECT)
        await disk.sync_directory("")
    return store, Recovery(staged, rebuilt, damaged, unreadable)


async def _remove_staged(disk: Disk) -> int:
    names = await disk.names("staging")
    for name in names:
        await disk.remove(f"staging/{name}")
    return len(names)


def _count(store: ReplicaStore) -> None:
    for file, slot, entry in store.catalog.slots():
        size = sum(
            REPLICA_BODY + replica.length for _, replica in store.catalog.replicas(file, slot)
        )
        if entry.manifest is not None:
            size += MANIFEST_BODY + entry.manifest_length
        store.room.add(entry.owner, size)


async def _verify_all(store: ReplicaStore) -> int:
    keys = [
        ReplicaKey(file, slot, piece)
        for file, slot, _ in store.catalog.slots()
        for piece, _ in store.catalog.replicas(file, slot)
    ]
    sound = [await store.verify(key) for key in keys]
    return sound.count(False)


async def _rebuild(store: ReplicaStore, now: int) -> tuple[int, tuple[str, ...]]:
    count, unreadable = 0, []
    for folder in ("replicas", "manifests"):
        for fan in await store.files.disk.names(folder):
            for name in await store.files.disk.names(f"{folder}/{fan}"):
                path = f"{folder}/{fan}/{name}"
                try:
                    await _enter(store, path, now)
                except CorruptFileError:
                    unreadable.append(path)
                else:
                    count += 1
    return count, tuple(unreadable)


async def _enter(store: ReplicaStore, path: str, now: int) -> None:
    batch = catalog.Batch()
    if path.startswith("replicas/"):
        await _enter_replica(store, path, now, batch)
    else:
        await _enter_manifest(store, path, now, batch)
    await store.files.commit(batch)


async def _enter_replica(store: ReplicaStore, path: str, now: int, batch: catalog.Batch) -> None:
    header = read_prologue(ReplicaHeader, await store.files.disk.read(path, 0, REPLICA_BODY), path)
    _check_place(header, path)
    if store.catalog.slot(header.file, header.slot) is None:
        entry = SlotEntry(header.owner, header.nonce, now)
        catalog.put_slot(batch, header.file, header.slot, entry)
    catalog.put_replica(batch, header.key, ReplicaEntry(header.length, header.root))


async def _enter_manifest(store: ReplicaStore, path: str, now: int, batch: catalog.Batch) -> None:
    header = read_prologue(
        ManifestHeader, await store.files.disk.read(path, 0, MANIFEST_BODY), path
    )
    _check_place(header, path)
    data = await store.files.disk.read(path, MANIFEST_BODY)
    if sha256(data).digest() != header.digest:
        raise CorruptFileError(f"{path}: the manifest is damaged: its owner has to push it again")
    entry = SlotEntry(header.owner, header.nonce, now, header.digest, header.length)
    catalog.put_slot(batch, header.file, header.slot, entry)


def _check_place(header: ReplicaHeader | ManifestHeader, path: str) -> None:
    if path_of(header) != path:
        raise CorruptFileError(f"{path}: the file belongs at {path_of(header)}: it was misplaced")
