"""The replica store: what is acknowledged stays, what is wrong is refused or listed."""

import asyncio

import pytest

from xdb.errors import (
    ConflictError,
    IntegrityError,
    NotFoundError,
    OverloadedError,
    StorageFullError,
    UnavailableError,
)
from xdb.store.checking import Checker
from xdb.store.room import RoomConfig
from xdb.testing.box import ALICE, BOB, LEAF, Box, commitment, damaged, key, put, ref, sealed
from xdb.testing.clock import settle
from xdb.testing.compute import InlineCompute
from xdb.testing.disk import failing_sync


@pytest.fixture
def box():
    return Box()


@pytest.fixture
async def store(box):
    return await box.open()


# ---------------------------------------------------------------- replicas


async def test_what_is_put_is_got(store):
    data = sealed("one", 100_000)
    assert await store.put(ref(), 3, commitment(data), data) is False
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
        await store.put(ref(), 0, commitment(sealed("one")), wrong)
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


@pytest.mark.parametrize("harm", ["corrupt", "lose"])
async def test_damage_is_found_listed_and_mended_by_pushing_again(box, store, harm):
    await put(store, ref())
    getattr(box.disk, harm)(box.disk.files("replicas")[0])
    assert await store.verify(key(ref())) is False
    assert damaged(store) == [key(ref())]
    assert store.commitment(key(ref())) is None
    assert await put(store, ref()) is False
    assert await store.verify(key(ref()))
    assert damaged(store) == []
    assert store.room.used == sum([len(box.disk._names[f].content) for f in box.disk._names])


async def test_a_lost_file_is_not_served(box, store):
    await put(store, ref())
    box.disk.lose(box.disk.files("replicas")[0])
    with pytest.raises(IntegrityError, match="missing: ask another holder"):
        await store.get(key(ref()))
    assert damaged(store) == [key(ref())]


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


async def test_what_may_still_go_goes_and_says_what_it_freed(store):
    for name in ("goes", "stays"):
        await put(store, ref(name))
    used = store.room.used
    assert await store.remove_if(ref("stays").file, 1, lambda: False) is None
    assert await store.remove_if(ref("goes").file, 1, lambda: True) == used // 2
    assert await store.remove_if(ref("goes").file, 1, lambda: True) == 0
    assert [found.ref for _, found in store.slots()] == [ref("stays")]
    assert store.room.used == used // 2


async def test_whether_it_may_go_is_asked_when_nobody_is_at_the_slot(store):
    """A slot that is being pushed to is asked about after the push."""
    seen = []
    pushing = asyncio.ensure_future(put(store, ref()))
    await asyncio.sleep(0)

    def still():
        seen.append(store.slot(ref().file, 1))
        return False

    assert await store.remove_if(ref().file, 1, still) is None
    await pushing
    assert seen == [store.slot(ref().file, 1)]
    assert seen[0] is not None


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
        asyncio.ensure_future(store.put(ref(str(n)), 0, commitment(data), data))
        for n, data in enumerate(large)
    ]
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(worked) == 1
    gate.set()
    done = await asyncio.gather(*puts, return_exceptions=True)
    assert [type(result) for result in done].count(OverloadedError) == 2
    assert done.count(False) == 3


# ---------------------------------------------------------------- failures


async def test_after_a_failed_sync_nothing_more_is_taken(box, store):
    await put(store, ref("before"))
    box.disk.step = failing_sync
    with pytest.raises(UnavailableError, match="Input/output"):
        await put(store, ref("during"))
    box.disk.step = lambda *_: None
    with pytest.raises(UnavailableError, match=r"the store has failed .* restart the node"):
        await put(store, ref("after"))
    assert await store.get(key(ref("before"))) == sealed("one")


async def test_a_failed_sync_of_a_directory_is_one_whatever_its_reason(box, store):
    def full(operation, path):
        if operation == "sync_directory" and path.startswith("replicas"):
            raise StorageFullError(f"no room left for {path}")

    box.disk.step = full
    with pytest.raises(UnavailableError) as caught:
        await put(store, ref())
    assert not isinstance(caught.value, StorageFullError)
    assert store.files.failed
    assert "suspect" in await box.disk.names("")


@pytest.mark.parametrize("error", [StorageFullError, OverloadedError])
@pytest.mark.parametrize("where", ["write", "rename", "kv.write"])
async def test_want_of_room_leaves_nothing_and_passes(box, store, error, where):
    def refuse(operation, _path):
        if operation == where:
            raise error("not now")

    box.disk.step = box.kv.step = refuse
    if (where, error) == ("kv.write", OverloadedError):
        return  # a key-value store knows no such thing
    with pytest.raises(error):
        await put(store, ref())
    box.disk.step = box.kv.step = lambda *_: None
    assert box.disk._names == {}
    assert store.room.used == 0
    assert await put(store, ref()) is False
    assert store.files.failed is None


async def test_a_replica_that_cannot_be_read_is_damaged(box, store):
    await put(store, ref())

    def bad_sector(operation, path):
        if operation == "read":
            raise UnavailableError(f"{path}: Input/output error")

    box.disk.step = bad_sector
    assert await store.verify(key(ref())) is False
    assert damaged(store) == [key(ref())]
    box.disk.step = lambda *_: None
    assert await store.verify(key(ref())) is True
    assert damaged(store) == []


async def test_a_damaged_manifest_is_mended_by_sending_it_again(box, store):
    await put(store, ref())
    await store.put_manifest(ref(), b"manifest")
    used = store.room.used
    for harm in (box.disk.corrupt, box.disk.lose):
        harm(box.disk.files("manifests")[0])
        with pytest.raises(IntegrityError):
            await store.get_manifest(ref().file, 1)
        await store.put_manifest(ref(), b"manifest")
        assert await store.get_manifest(ref().file, 1) == b"manifest"
    assert store.room.used == used


# ---------------------------------------------------------------- at the same time


class SlowDisk:
    """A disk whose operations wait until they are let."""

    def __init__(self, disk, slow):
        self._disk, self._slow = disk, slow
        self.gate = asyncio.Event()

    def __getattr__(self, name):
        operation = getattr(self._disk, name)
        if name != self._slow:
            return operation

        async def waiting(*args):
            await self.gate.wait()
            return await operation(*args)

        return waiting


async def test_a_cancelled_push_is_not_half_done(box, store):
    store.files.disk = slow = SlowDisk(box.disk, "rename")
    pushing = asyncio.ensure_future(put(store, ref()))
    await settle(20)
    pushing.cancel()
    await settle(20)
    slow.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await pushing
    assert await put(store, ref()) is True
    assert box.disk.files("staging") == []
    assert store.room.used == sum(len(file.content) for file in box.disk._names.values())


@pytest.mark.parametrize("slow", ["write", "rename", "sync_directory", "remove", "free"])
async def test_pushing_what_is_being_removed_leaves_no_hole(box, store, slow):
    await put(store, ref())
    store.files.disk = disk = SlowDisk(box.disk, slow)
    removing = asyncio.ensure_future(store.remove(ref().file, 1))
    pushing = asyncio.ensure_future(put(store, ref()))
    again = asyncio.ensure_future(store.remove(ref().file, 1))
    last = asyncio.ensure_future(put(store, ref()))
    await settle(20)
    disk.gate.set()
    await asyncio.gather(removing, pushing, again, last)
    assert await store.verify(key(ref()))
    assert store.room.used == sum(len(file.content) for file in box.disk._names.values())


async def test_the_same_piece_pushed_twice_at_once_is_stored_once(box, store):
    assert sorted(await asyncio.gather(*(put(store, ref()) for _ in range(3)))) == [
        False,
        True,
        True,
    ]
    assert len(box.disk.files("replicas")) == 1


async def test_what_is_removed_while_it_is_read_is_not_damaged(box, store):
    await put(store, ref())
    store.files.disk = disk = SlowDisk(box.disk, "read")
    reading = asyncio.ensure_future(store.get(key(ref())))
    await settle(20)
    await store.remove(ref().file, 1)
    disk.gate.set()
    with pytest.raises(NotFoundError):
        await reading
    assert damaged(store) == []
