"""The replica store: what is acknowledged stays, what is wrong is refused or listed."""

import asyncio
from hashlib import sha256

import pytest

from xdb.core.merkle import replica_root
from xdb.errors import (
    ConflictError,
    IntegrityError,
    NotFoundError,
    OverloadedError,
    StorageFullError,
    UnavailableError,
    XdbError,
)
from xdb.model.ids import Address, FileId, Nonce
from xdb.model.storage import Commitment, ReplicaKey, SlotRef
from xdb.store.checking import Checker
from xdb.store.kv_memory import MemoryKeyValue
from xdb.store.recovery import Recovery, open_store
from xdb.store.room import RoomConfig
from xdb.testing.compute import InlineCompute
from xdb.testing.disk import MemoryDisk, failing_sync
from xdb.testing.entropy import SeededEntropy

LEAF = 256
NOW = 1_800_000_000
ALICE, BOB = Address(b"a" * 20), Address(b"b" * 20)
LARGE = RoomConfig(capacity=1 << 30, reserve=0)


def ref(name="file", slot=1, owner=ALICE):
    return SlotRef(FileId(sha256(name.encode()).digest()), slot, owner, Nonce(b"n" * 16))


def sealed(text, length=1000):
    return sha256(text.encode()).digest() * (length // 32) + b"." * (length % 32)


def commitment(data):
    return Commitment(len(data), replica_root(data, LEAF))


def key(slot, piece=0):
    return ReplicaKey(slot.file, slot.slot, piece)


class Box:
    """A disk and a catalog that stay when the store on them is opened again."""

    def __init__(self, config=LARGE):
        self.disk, self.kv, self.config = MemoryDisk(), MemoryKeyValue(), config
        self.recovery = Recovery()

    async def open(self):
        store, self.recovery = await open_store(
            self.disk, self.kv, InlineCompute(), self.config, LEAF, NOW
        )
        return store


@pytest.fixture
def box():
    return Box()


@pytest.fixture
async def store(box):
    return await box.open()


async def put(store, slot, text="one", piece=0):
    data = sealed(text)
    return await store.put(slot, piece, commitment(data), data, NOW)


# ---------------------------------------------------------------- replicas


async def test_what_is_put_is_got(store):
    data = sealed("one", 100_000)
    assert await store.put(ref(), 3, commitment(data), data, NOW) is False
    assert await store.get(key(ref(), 3)) == data
    assert await store.get(key(ref(), 3), 10, 20) == data[10:30]
    assert await store.get(key(ref(), 3), 99_990) == data[-10:]
    assert store.commitment(key(ref(), 3)) == commitment(data)
    assert await store.verify(key(ref(), 3))


async def test_putting_it_again_changes_nothing(box, store):
    await put(store, ref())
    before, used = box.disk.files("replicas"), store.room.used
    assert await put(store, ref()) is True
    assert (box.disk.files("replicas"), store.room.used) == (before, used)


async def test_other_bytes_for_the_same_piece_are_refused(store):
    await put(store, ref())
    with pytest.raises(ConflictError, match="has other bytes here"):
        await put(store, ref(), "two")
    assert await store.get(key(ref())) == sealed("one")


@pytest.mark.parametrize("wrong", [b"", sealed("one")[:-1], sealed("one") + b"x", sealed("two")])
async def test_bytes_that_are_not_what_was_announced_leave_nothing(box, store, wrong):
    with pytest.raises(IntegrityError, match="push it again"):
        await store.put(ref(), 0, commitment(sealed("one")), wrong, NOW)
    assert box.disk.files("replicas") == []
    assert store.slot(ref().file, 1) is None
    assert store.room.used == 0


async def test_owners_who_store_the_same_bytes_share_nothing(store):
    mine, theirs = ref("mine"), ref("theirs", owner=BOB)
    await put(store, mine)
    await put(store, theirs)
    await store.remove(theirs.file, 1)
    assert await store.get(key(mine)) == sealed("one")
    assert store.room.used_by(BOB) == 0


@pytest.mark.parametrize(("offset", "length"), [(1001, 0), (0, 1001), (999, 2)])
async def test_ranges_outside_are_refused(store, offset, length):
    await put(store, ref())
    with pytest.raises(NotFoundError, match="has 1000 bytes"):
        await store.get(key(ref()), offset, length)


async def test_what_is_not_here_is_said_so(store):
    with pytest.raises(NotFoundError, match="is not here"):
        await store.get(key(ref()))
    with pytest.raises(NotFoundError):
        await store.get_manifest(ref().file, 1)
    with pytest.raises(NotFoundError, match="push its replicas first"):
        await store.put_manifest(ref(), b"manifest")
    await store.remove(ref().file, 1)


# ---------------------------------------------------------------- damage


async def damaged(store):
    return [found for found, _ in store.catalog.damaged()]


@pytest.mark.parametrize("harm", ["corrupt", "lose"])
async def test_damage_is_found_listed_and_mended_by_pushing_again(box, store, harm):
    await put(store, ref())
    getattr(box.disk, harm)(box.disk.files("replicas")[0])
    assert await store.verify(key(ref())) is False
    assert await damaged(store) == [key(ref())]
    assert store.commitment(key(ref())) is None
    assert await put(store, ref()) is False
    assert await store.verify(key(ref()))
    assert await damaged(store) == []
    assert store.room.used == sum([len(box.disk._names[f].content) for f in box.disk._names])


async def test_a_lost_file_is_not_served(box, store):
    await put(store, ref())
    box.disk.lose(box.disk.files("replicas")[0])
    with pytest.raises(IntegrityError, match="missing: ask another holder"):
        await store.get(key(ref()))
    assert await damaged(store) == [key(ref())]


async def test_a_damaged_manifest_is_not_served(box, store):
    await put(store, ref())
    await store.put_manifest(ref(), b"manifest")
    box.disk.corrupt(box.disk.files("manifests")[0])
    with pytest.raises(IntegrityError, match="manifest is damaged"):
        await store.get_manifest(ref().file, 1)


# ---------------------------------------------------------------- slots


async def test_a_slot_is_accepted_with_its_manifest(store):
    await put(store, ref())
    assert store.slot(ref().file, 1).accepted is False
    await store.put_manifest(ref(), b"manifest")
    await store.put_manifest(ref(), b"manifest")
    assert store.slot(ref().file, 1).accepted is True
    assert await store.get_manifest(ref().file, 1) == b"manifest"
    with pytest.raises(ConflictError, match="another manifest"):
        await store.put_manifest(ref(), b"other")


async def test_strays_go_when_nothing_came_since(store):
    stray, fresh = ref("stray"), ref("fresh")
    for slot in (stray, fresh):
        await put(store, slot)
    assert await store.remove_stray(stray.file, 1, before=NOW + 1) is True
    assert await store.remove_stray(fresh.file, 1, before=NOW) is False
    assert [found.ref for _, found in store.slots()] == [fresh]


async def test_slots_are_listed_from_a_cursor(store):
    for name in "abcde":
        await put(store, ref(name))
    listed = list(store.slots())
    assert len(listed) == 5
    cursor, _ = listed[1]
    assert list(store.slots(cursor)) == listed[2:]


async def test_removing_removes_all_of_it(box, store):
    for piece in range(3):
        await put(store, ref(), str(piece), piece)
    await store.put_manifest(ref(), b"manifest")
    await store.remove(ref().file, 1)
    assert (
        box.disk._names,
        store.room.used,
        [key for key, _ in store.catalog.kv.scan(b"") if b"/" in key],
    ) == ({}, 0, [])


# ---------------------------------------------------------------- room


async def test_a_full_node_says_how_full():
    store = await Box(RoomConfig(capacity=2500, reserve=0)).open()
    await put(store, ref("a"))
    await put(store, ref("b"))
    with pytest.raises(StorageFullError, match="bytes left of 2500"):
        await put(store, ref("c"))
    await store.remove(ref("a").file, 1)
    await put(store, ref("c"))


async def test_a_quota_is_an_owners_own():
    store = await Box(RoomConfig(capacity=1 << 20, reserve=0, quota=1500)).open()
    await put(store, ref("a"))
    with pytest.raises(StorageFullError, match=f"owner {ALICE.hex()} uses 1180 of a quota of 1500"):
        await put(store, ref("b"))
    await put(store, ref("b", owner=BOB))


async def test_the_reserve_of_the_disk_is_left_alone():
    box = Box(RoomConfig(capacity=1 << 40, reserve=5000))
    box.disk.room = 7000
    store = await box.open()
    await put(store, ref("a"))
    with pytest.raises(StorageFullError):
        await put(store, ref("b"))


async def test_a_full_disk_is_no_failure_of_the_store(box, store):
    def full(operation, path):
        if operation == "write":
            raise StorageFullError(f"no room left for {path}: make room on its disk")

    box.disk.step = full
    with pytest.raises(StorageFullError, match="make room"):
        await put(store, ref())
    box.disk.step = lambda *_: None
    await put(store, ref())
    assert store.files.failed is None


async def test_bytes_in_flight_are_bounded_and_the_queue_too():
    box = Box(RoomConfig(capacity=1 << 30, reserve=0, in_flight=2500, waiting=2))
    store = await box.open()
    gate, worked = asyncio.Event(), []

    class Slow(InlineCompute):
        async def in_process(self, work, source, *args, **kwargs):
            worked.append(len(source))
            await gate.wait()
            return await super().in_process(work, source, *args, **kwargs)

    store._checker = Checker(Slow(), LEAF)
    large = [sealed(str(n), 100_000) for n in range(5)]
    puts = [
        asyncio.ensure_future(store.put(ref(str(n)), 0, commitment(data), data, NOW))
        for n, data in enumerate(large)
    ]
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(worked) == 1
    gate.set()
    done = await asyncio.gather(*puts, return_exceptions=True)
    assert [type(result) for result in done].count(OverloadedError) == 2
    assert done.count(False) == 3


# ---------------------------------------------------------------- failures and crashes


async def test_after_a_failed_sync_nothing_more_is_taken(box, store):
    await put(store, ref("before"))
    box.disk.step = failing_sync
    with pytest.raises(UnavailableError, match="Input/output"):
        await put(store, ref("during"))
    box.disk.step = lambda *_: None
    with pytest.raises(UnavailableError, match=r"the store has failed .* restart the node"):
        await put(store, ref("after"))
    await store.files.note_failure()
    box.disk.corrupt(box.disk.files("replicas")[0])
    store = await box.open()
    assert box.recovery.damaged == 1
    assert await damaged(store) == [key(ref("before"))]
    assert (await box.open(), box.recovery.damaged)[1] == 0


async def test_a_lost_catalog_is_made_again_from_headers(box, store):
    await put(store, ref("a"))
    await put(store, ref("a"), "two", 1)
    await put(store, ref("b", 2, BOB))
    await store.put_manifest(ref("a"), b"manifest")
    used = store.room.used
    box.kv = MemoryKeyValue()
    box.disk.corrupt(box.disk.files("replicas")[0])
    store = await box.open()
    assert (box.recovery.rebuilt, box.recovery.damaged, store.room.used) == (4, 1, used)
    assert store.slot(ref("a").file, 1).accepted
    assert not store.slot(ref("b").file, 2).accepted
    assert store.slot(ref("b").file, 2).ref == ref("b", 2, BOB)


async def test_files_that_say_nothing_are_left_alone(box, store):
    await put(store, ref())
    box.kv = MemoryKeyValue()
    box.disk.corrupt(box.disk.files("replicas")[0], 20)
    await box.open()
    assert len(box.recovery.unreadable) == 1
    assert len(box.disk.files("replicas")) == 1


class PowerCutError(XdbError):
    """Not an UnavailableError: the store sees nothing, it just ends."""


async def life(box, acknowledged):
    """Puts, accepts and removes; notes what was acknowledged."""
    store = await box.open()
    for name in ("a", "b"):
        for piece in range(2):
            await put(store, ref(name), f"{name}{piece}", piece)
            acknowledged.add((name, piece))
        await store.put_manifest(ref(name), b"manifest")
        acknowledged.add((name, "manifest"))
    acknowledged -= {("a", 0), ("a", 1), ("a", "manifest")}
    await store.remove(ref("a").file, 1)


async def check(box, acknowledged):
    store = await box.open()
    for name, part in acknowledged:
        if part == "manifest":
            assert await store.get_manifest(ref(name).file, 1) == b"manifest"
        else:
            assert await store.get(key(ref(name), part)) == sealed(f"{name}{part}")
    for name in ("a", "b"):
        for piece in range(2):
            if store.commitment(key(ref(name), piece)):
                assert await store.verify(key(ref(name), piece))


async def steps_of_a_life():
    box, count = Box(), 0

    def step(_operation, _path):
        nonlocal count
        count += 1

    box.disk.step = step
    await life(box, set())
    return count


@pytest.mark.parametrize("seed", range(3))
async def test_power_may_be_cut_at_every_step(seed):
    for at in range(await steps_of_a_life()):
        box, left, acknowledged = Box(), [at], set()

        def step(operation, path, left=left):
            if not left[0]:
                raise PowerCutError(f"{operation} {path}")
            left[0] -= 1

        box.disk.step = step
        with pytest.raises(PowerCutError):
            await life(box, acknowledged)
        box.disk.step = lambda *_: None
        box.disk.crash(SeededEntropy(f"{seed} {at}"))
        await check(box, acknowledged)
        box.disk.crash(SeededEntropy(f"again {seed} {at}"))
        await check(box, acknowledged)
        await life(box, set())
