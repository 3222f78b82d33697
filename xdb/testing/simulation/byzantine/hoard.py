"""What a cheat keeps of the replicas it was given, when it keeps less than all."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from xdb.core import merkle
from xdb.model.ids import Digest
from xdb.model.storage import ReplicaKey
from xdb.store.formats import REPLICA_BODY, path_of, replica_header
from xdb.store.replicas import ReplicaStore
from xdb.testing.disk import MemoryDisk

Keep = Callable[[ReplicaKey, int], bool]
"""Whether a leaf of a replica is kept."""


@dataclass(frozen=True, slots=True)
class Stub:
    """The hashes of a replica, and those of its leaves that were kept."""

    hashes: tuple[Digest, ...]
    leaves: dict[int, bytes]


@dataclass
class Hoard:
    """Hashes cost a thirtieth of the leaves, so a cheat keeps them all."""

    leaf_size: int
    stubs: dict[ReplicaKey, Stub] = field(default_factory=dict)

    def put(self, key: ReplicaKey, data: bytes, keep: Keep) -> int:
        """Takes a replica; gives the bytes that were not kept."""
        size = self.leaf_size
        hashes = tuple(merkle.replica_leaves(memoryview(data), size))
        leaves = {
            leaf: data[leaf * size : (leaf + 1) * size]
            for leaf in range(len(hashes))
            if keep(key, leaf)
        }
        self.stubs[key] = Stub(hashes, leaves)
        return len(data) - sum(map(len, leaves.values()))

    def leaf(self, key: ReplicaKey, leaf: int) -> bytes | None:
        """A leaf; None when it is not kept."""
        stub = self.stubs.get(key)
        return None if stub is None else stub.leaves.get(leaf)

    def path(self, key: ReplicaKey, leaf: int) -> tuple[Digest, ...]:
        """A leaf's way up in its replica; empty for one that never came."""
        stub = self.stubs.get(key)
        return () if stub is None else merkle.path(stub.hashes, leaf)

    def forget(self, keep: Keep) -> int:
        """Drops all leaves but those to keep; gives the bytes dropped."""
        dropped = 0
        for key, stub in self.stubs.items():
            for leaf in [leaf for leaf in stub.leaves if not keep(key, leaf)]:
                dropped += len(stub.leaves.pop(leaf))
        return dropped


def on_disk(disk: MemoryDisk, store: ReplicaStore) -> Iterator[tuple[ReplicaKey, str, bytes]]:
    """Replicas that a node has: key, path, bytes without the header."""
    for _, stored in list(store.slots()):
        file, slot = stored.ref.file, stored.ref.slot
        for piece, entry in list(store.catalog.replicas(file, slot)):
            header = replica_header(stored.ref, piece, entry.length, entry.root, store.leaf_size)
            path = path_of(header)
            content = disk.content(path)
            if content is not None:
                yield ReplicaKey(file, slot, piece), path, content[REPLICA_BODY:]
