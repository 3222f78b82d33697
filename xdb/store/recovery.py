"""Opening a replica store: what a crash left is put in order first.

- Files under staging names were never acknowledged: removed.
- A store of other leaves, that is of another chain, is refused.
- Entries without a file are listed as damaged, at the chain time of then.
- Files without an entry are entered again from their headers: a crash left them, or the
  catalog is lost. They are re-hashed, but for what goes beyond `AT_ONCE` bytes.
- After a failed sync nothing on the disk is certain: every replica is re-hashed, and what
  is wrong listed as damaged.

Each of these can be cut off and done again.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from xdb.errors import ConfigError
from xdb.model.storage import ReplicaKey, SlotRef
from xdb.ports.compute import Compute
from xdb.ports.disk import Disk
from xdb.ports.kv import KeyValue
from xdb.store import catalog
from xdb.store.comparison import compare
from xdb.store.concurrency import for_each
from xdb.store.durable import SUSPECT
from xdb.store.readmission import Readmission
from xdb.store.replicas import ReplicaStore
from xdb.store.room import RoomConfig

AT_ONCE = 1 << 30
"""Bytes of files without an entry that are re-hashed before the store is open."""

_SIDE_BY_SIDE = 4


@dataclass(frozen=True, slots=True)
class Recovery:
    """What opening found and did."""

    staged: int = 0  # files removed that were never acknowledged
    rebuilt: int = 0  # entries made again from headers
    unhashed: int = 0  # replicas among them that were not re-hashed
    damaged: int = 0  # replicas newly listed as damaged
    manifests: int = 0  # manifests that are missing or damaged
    unreadable: tuple[str, ...] = ()  # files that fit nowhere; left where they are


async def open_store(  # noqa: PLR0913, PLR0917  # the ports, the limits, and the chain's leaf size
    disk: Disk,
    kv: KeyValue,
    compute: Compute,
    config: RoomConfig,
    leaf_size: int,
    time: Callable[[], int],
) -> tuple[ReplicaStore, Recovery]:
    """The store on `disk` and `kv`, in order; `time` gives chain time."""
    store = ReplicaStore(disk, kv, compute, config, leaf_size, time)
    await _check_leaves(store)
    staged = await _remove_staged(disk)
    found = await compare(store, compute)
    before = _count_damaged(store)
    await _verify(store, found.missing)
    readmission = Readmission(store, time())
    await readmission.run(found.strangers)
    suspect = SUSPECT in await disk.names("")
    unhashed = 0
    manifests = await _bad_manifests(store, found.missing_manifests)
    if suspect:
        await _verify(store, _all(store))
        manifests = await _bad_manifests(store, _all_manifests(store))
        await disk.remove(SUSPECT)
        await disk.sync_directory("")
    else:
        soon = readmission.within(AT_ONCE)
        unhashed = len(readmission.replicas) - len(soon)
        await _verify(store, soon)
    return store, Recovery(
        staged,
        readmission.count,
        unhashed,
        _count_damaged(store) - before,
        manifests,
        tuple(sorted([*found.unreadable, *readmission.unfit])),
    )


async def _check_leaves(store: ReplicaStore) -> None:
    known = store.catalog.leaf_size()
    if known is None:
        batch = catalog.Batch()
        catalog.put_leaf_size(batch, store.leaf_size)
        await store.files.commit(batch)
    elif known != store.leaf_size:
        raise ConfigError(
            f"the replica store has leaves of {known} bytes and the chain's are "
            f"{store.leaf_size}: it belongs to another chain, name the right data directory"
        )


async def _remove_staged(disk: Disk) -> int:
    names = await disk.names("staging")
    for name in names:
        await disk.remove(f"staging/{name}")
    return len(names)


def _all(store: ReplicaStore) -> Iterator[ReplicaKey]:
    for file, slot, _ in store.catalog.slots():
        for piece, _ in store.catalog.replicas(file, slot):
            yield ReplicaKey(file, slot, piece)


async def _verify(store: ReplicaStore, keys: Iterable[ReplicaKey]) -> None:
    await for_each(keys, store.verify, side_by_side=_SIDE_BY_SIDE)


def _count_damaged(store: ReplicaStore) -> int:
    return sum(1 for damage in store.catalog.damaged() if not damage.manifest)


def _all_manifests(store: ReplicaStore) -> Iterator[SlotRef]:
    for file, slot, entry in store.catalog.slots():
        if entry.manifest is not None:
            yield entry.ref(file, slot)


async def _bad_manifests(store: ReplicaStore, refs: Iterable[SlotRef]) -> int:
    bad = 0
    for ref in refs:
        bad += not await store.verify_manifest(ref.file, ref.slot)
    return bad
