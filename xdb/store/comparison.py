"""What stands in the catalog beside what stands on the disk."""

from dataclasses import dataclass, field

from xdb.model.storage import ReplicaKey, SlotRef
from xdb.ports.compute import Compute
from xdb.store.catalog import SlotEntry
from xdb.store.formats import (
    MANIFEST_BODY,
    REPLICA_BODY,
    Header,
    is_name,
    manifest_header,
    path_of,
    replica_header,
)
from xdb.store.replicas import ReplicaStore

_FOLDERS = ("replicas", "manifests")


@dataclass(slots=True)
class Comparison:
    """Where they differ. `strangers` are paths of files without an entry."""

    missing: list[ReplicaKey] = field(default_factory=list)
    missing_manifests: list[SlotRef] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


async def compare(store: ReplicaStore, compute: Compute) -> Comparison:
    """Compares names only, and counts what is used into the store's room."""
    found = Comparison()
    present = {folder: await _present(store, folder, found) for folder in _FOLDERS}
    await compute.in_thread(_strike_all, store, present, found)  # seconds, in a large store
    for folder in _FOLDERS:
        names = sorted(digest.hex() for digest in present[folder])
        found.strangers += [f"{folder}/{name[:2]}/{name}" for name in names]
    return found


def _strike_all(store: ReplicaStore, present: dict[str, set[bytes]], found: Comparison) -> None:
    for file, slot, entry in store.catalog.slots():
        size, ref = 0, entry.ref(file, slot)
        for piece, replica in store.catalog.replicas(file, slot):
            size += REPLICA_BODY + replica.length
            header = replica_header(ref, piece, replica.length, replica.root, store.leaf_size)
            if not _strike(present["replicas"], header):
                found.missing.append(header.key)
        size += _manifest(entry, ref, present["manifests"], found)
        store.room.add(entry.owner, size)


def _manifest(entry: SlotEntry, ref: SlotRef, present: set[bytes], found: Comparison) -> int:
    if entry.manifest is None:
        return 0
    header = manifest_header(ref, entry.manifest_length, entry.manifest)
    if not _strike(present, header):
        found.missing_manifests.append(ref)
    return MANIFEST_BODY + header.length


def _strike(present: set[bytes], header: Header) -> bool:
    digest = bytes.fromhex(path_of(header).rpartition("/")[2])
    if digest not in present:
        return False
    present.discard(digest)
    return True


async def _present(store: ReplicaStore, folder: str, found: Comparison) -> set[bytes]:
    digests = set()
    disk = store.files.disk
    for fan in await disk.names(folder):
        for name in await disk.names(f"{folder}/{fan}"):
            if is_name(name) and name[:2] == fan:
                digests.add(bytes.fromhex(name))
            else:
                found.unreadable.append(f"{folder}/{fan}/{name}")
    return digests
