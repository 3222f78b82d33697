"""Opening a replica store after whatever happened."""

import pytest

from xdb.core.encoding import encode
from xdb.errors import ConfigError, XdbError
from xdb.store.formats import VERSION, path_of, prologue, replica_header
from xdb.store.recovery import Recovery, open_store
from xdb.testing.box import (
    BOB,
    LARGE,
    LEAF,
    NOW,
    Box,
    commitment,
    damaged,
    key,
    put,
    ref,
    sealed,
)
from xdb.testing.compute import InlineCompute
from xdb.testing.disk import failing_sync
from xdb.testing.kv import CrashingKeyValue


@pytest.fixture
def box():
    return Box()


@pytest.fixture
async def store(box):
    return await box.open()


async def fill(store):
    """Slot 1 of a (two replicas, accepted), slot 2 of b (one)."""
    await put(store, ref("a"))
    await put(store, ref("a"), "two", 1)
    await put(store, ref("b", 2, BOB))
    await store.put_manifest(ref("a"), b"manifest")


async def test_an_ordinary_start_changes_nothing(box, store):
    await fill(store)
    used = store.room.used
    again = await box.open()
    assert box.recovery == Recovery()
    assert again.room.used == used
    assert again.room.used_by(BOB) == store.room.used_by(BOB)


async def test_after_a_failed_sync_everything_is_hashed_again(box, store):
    await fill(store)
    box.disk.step = failing_sync
    with pytest.raises(XdbError):
        await put(store, ref("c"))
    box.disk.step = lambda *_: None
    await store.files.note_failure()
    for path in box.disk.files("replicas")[:1] + box.disk.files("manifests"):
        box.disk.corrupt(path)
    store = await box.open()
    assert (box.recovery.damaged, box.recovery.manifests) == (1, 1)
    assert len(damaged(store)) == 1
    await box.open()
    assert (box.recovery.damaged, box.recovery.manifests) == (0, 0)


async def test_a_lost_catalog_is_made_again_from_headers(box, store):
    await fill(store)
    used = store.room.used
    box.kv = CrashingKeyValue()
    box.disk.corrupt(box.disk.files("replicas")[0])
    store = await box.open(NOW + 5)
    assert (box.recovery.rebuilt, box.recovery.damaged, store.room.used) == (4, 1, used)
    assert store.slot(ref("a").file, 1).accepted
    assert not store.slot(ref("b").file, 2).accepted
    assert store.slot(ref("b").file, 2).ref == ref("b", 2, BOB)
    assert store.slot(ref("b").file, 2).since == NOW + 5
    assert await store.get_manifest(ref("a").file, 1) == b"manifest"
    await box.open()
    assert box.recovery == Recovery()


async def test_a_lost_catalog_may_be_lost_halfway_again(box, store):
    await fill(store)
    box.kv = CrashingKeyValue()
    left = [2]

    def cut(operation, _path):
        if operation == "kv.sync":
            left[0] -= 1
            if left[0] < 0:
                raise PowerCutError(operation)

    box.kv.step = cut
    with pytest.raises(PowerCutError):
        await box.open()
    box.kv.step = lambda *_: None
    box.crash("halfway")
    store = await box.open()
    assert store.slot(ref("a").file, 1).accepted
    for replica in (key(ref("a")), key(ref("a"), 1), key(ref("b", 2))):
        assert await store.verify(replica)


async def test_missing_files_are_listed_and_come_back_by_pushing(box, store):
    await fill(store)
    for path in box.disk.files("replicas") + box.disk.files("manifests"):
        box.disk.lose(path)
    store = await box.open()
    assert (box.recovery.damaged, box.recovery.manifests) == (3, 1)
    assert len(damaged(store)) == 3
    await fill(store)
    assert damaged(store) == []
    await box.open()
    assert box.recovery == Recovery()


@pytest.mark.parametrize("at", [0, 20, 100, 179])
async def test_files_that_say_nothing_are_left_alone(box, store, at):
    await put(store, ref())
    box.kv = CrashingKeyValue()
    (path,) = box.disk.files("replicas")
    box.disk.corrupt(path, at)
    await box.open()
    assert box.recovery.unreadable == (path,)
    assert box.disk.files("replicas") == [path]


async def stranger(box, header, data=b"x", path=None):
    await box.disk.write(path or path_of(header), [prologue(header), data])


async def test_files_that_fit_nowhere_are_left_alone(box, store):
    await put(store, ref())
    data = sealed("two")
    root = commitment(data).root
    taken = replica_header(ref(), 0, 1000, root, LEAF)
    others = replica_header(ref(owner=BOB), 1, 1000, root, LEAF)
    leaves = replica_header(ref(), 2, 1000, root, 2 * LEAF)
    misplaced = replica_header(ref(), 3, 1000, root, LEAF)
    elsewhere = path_of(misplaced)[:-1] + ("0" if path_of(misplaced)[-1] != "0" else "1")
    for header in (taken, others, leaves):
        await stranger(box, header, data)
    await stranger(box, misplaced, data, elsewhere)
    await box.disk.write("replicas/ab/notes.txt", [b"mine"])
    before = box.disk.files("replicas")
    store = await box.open()
    assert len(box.recovery.unreadable) == 5
    assert box.disk.files("replicas") == before
    assert await store.get(key(ref())) == sealed("one")


async def test_a_newer_format_is_left_alone(box):
    header = replica_header(ref(), 0, 4, commitment(b"data").root, LEAF)
    newer = type(header)(VERSION + 1, *(getattr(header, name) for name in FIELDS))
    await stranger(box, newer, b"data")
    await box.open()
    assert len(box.recovery.unreadable) == 1
    assert encode(newer) != encode(header)


FIELDS = ("file", "slot", "owner", "nonce", "piece", "length", "root", "leaf_size")


async def test_a_store_of_another_chain_is_refused(box, store):
    await fill(store)
    with pytest.raises(ConfigError, match="leaves of 256 bytes and the chain's are 512"):
        await open_store(box.disk, box.kv, InlineCompute(), LARGE, 512, lambda: NOW)
    await box.open()
    assert box.recovery == Recovery()


# ---------------------------------------------------------------- power cuts


class PowerCutError(XdbError):
    """Not an UnavailableError: the store sees nothing, it just ends."""


async def life(box, acknowledged):
    """Puts, accepts, mends and removes; notes what was acknowledged."""
    store = await box.open()
    for name in ("a", "b"):
        for piece in range(2):
            await put(store, ref(name), f"{name}{piece}", piece)
            acknowledged.add((name, piece))
        await store.put_manifest(ref(name), b"manifest")
        acknowledged.add((name, "manifest"))
    await store.mark_damaged(key(ref("b")), "for the test")
    await put(store, ref("b"), "b0", 0)
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
    assert damaged(store) in ([], [key(ref("b"))])
    assert box.disk.files("staging") == []
    assert store.room.used == sum(len(file.content) for file in box.disk._names.values())
    assert box.recovery.unreadable == ()


def cut_at(box, step):
    left = [step]

    def count(operation, path):
        if not left[0]:
            raise PowerCutError(f"{operation} {path}")
        left[0] -= 1

    box.disk.step = box.kv.step = count
    return left


def mend(box):
    box.disk.step = box.kv.step = lambda *_: None


async def steps_of_a_life():
    box = Box()
    left = cut_at(box, 10**6)
    await life(box, set())
    return 10**6 - left[0]


@pytest.mark.parametrize("seed", range(4))
async def test_power_may_be_cut_at_every_step(seed):
    for at in range(await steps_of_a_life()):
        box, acknowledged = Box(), set()
        cut_at(box, at)
        with pytest.raises(PowerCutError):
            await life(box, acknowledged)
        mend(box)
        box.crash(f"{seed} {at}")
        await check(box, acknowledged)
        box.crash(f"again {seed} {at}")
        await check(box, acknowledged)
        await life(box, set())


async def test_power_may_be_cut_at_every_step_of_opening():
    opened = 0
    for at in range(1000):
        box, acknowledged = Box(), set()
        await life(box, acknowledged)
        store = await box.open()
        await put(store, ref("c"), "c0")
        box.kv = CrashingKeyValue()
        await box.disk.write("staging/leftover", [b"half"])
        await box.disk.write("suspect", [b"once"])
        await box.disk.sync_directory("")
        await box.disk.sync_directory("staging")
        cut_at(box, at)
        try:
            await box.open()
            opened += 1
        except PowerCutError:
            pass
        mend(box)
        box.crash(at)
        await check(box, acknowledged)
        if opened:
            return
    raise AssertionError("it never opened")
