"""A replica store in memory, to put things into and to break."""

from hashlib import sha256

from xdb.core.merkle import replica_root
from xdb.model.ids import Address, FileId, Nonce
from xdb.model.storage import Commitment, ReplicaKey, SlotRef
from xdb.store.recovery import Recovery, open_store
from xdb.store.replicas import ReplicaStore
from xdb.store.room import RoomConfig
from xdb.testing.compute import InlineCompute
from xdb.testing.disk import MemoryDisk
from xdb.testing.entropy import SeededEntropy
from xdb.testing.kv import CrashingKeyValue

LEAF = 256
NOW = 1_800_000_000
ALICE, BOB = Address(b"a" * 20), Address(b"b" * 20)
LARGE = RoomConfig(capacity=1 << 30, reserve=0)


def ref(name: str = "file", slot: int = 1, owner: Address = ALICE) -> SlotRef:
    """A slot of the file of that name."""
    return SlotRef(FileId(sha256(name.encode()).digest()), slot, owner, Nonce(b"n" * 16))


def sealed(text: str, length: int = 1000) -> bytes:
    """Bytes that a text determines."""
    return sha256(text.encode()).digest() * (length // 32) + b"." * (length % 32)


def commitment(data: bytes) -> Commitment:
    """What they are announced as."""
    return Commitment(len(data), replica_root(data, LEAF))


def key(slot: SlotRef, piece: int = 0) -> ReplicaKey:
    """One replica of a slot."""
    return ReplicaKey(slot.file, slot.slot, piece)


class Box:
    """A disk and a catalog that stay when the store on them is opened again."""

    def __init__(self, config: RoomConfig = LARGE) -> None:
        self.disk = MemoryDisk()
        self.kv = CrashingKeyValue()
        self.config = config
        self.recovery = Recovery()
        self.now = NOW  # chain time

    async def open(self, now: int = NOW) -> ReplicaStore:
        """The store, in order; chain time is `now` from here on."""
        self.now = now
        store, self.recovery = await open_store(
            self.disk, self.kv, InlineCompute(), self.config, LEAF, lambda: self.now
        )
        return store

    def crash(self, seed: object) -> None:
        """Loses power."""
        self.disk.crash(SeededEntropy(f"disk {seed}"))
        self.kv.crash(SeededEntropy(f"kv {seed}"))


async def put(store: ReplicaStore, slot: SlotRef, text: str = "one", piece: int = 0) -> bool:
    """Pushes what `text` determines."""
    data = sealed(text)
    return await store.put(slot, piece, commitment(data), data)


def damaged(store: ReplicaStore) -> list[ReplicaKey]:
    """The replicas that are listed as damaged."""
    return [damage.key for damage in store.catalog.damaged() if not damage.manifest]
