"""Damage of replicas and manifests: found, listed with its time, never served, mended."""

import pytest

from xdb.errors import CorruptFileError, IntegrityError, NotFoundError, UnavailableError
from xdb.model.storage import Damage
from xdb.store.catalog import Part, cursor
from xdb.testing.box import BOB, NOW, Box, damaged, key, put, ref, sealed

MANIFEST = b"manifest"


@pytest.fixture
def box():
    return Box()


@pytest.fixture
async def store(box):
    return await box.open()


def listed(store):
    return list(store.catalog.damaged())


def content(box, path, change):
    file = box.disk._names[path]
    file.content = file.synced = change(file.content)


HARMS = {
    "bit rot": lambda box, path: box.disk.corrupt(path),
    "bit rot in the header": lambda box, path: box.disk.corrupt(path, 30),
    "cut short": lambda box, path: content(box, path, lambda data: data[:-1]),
    "cut to the header": lambda box, path: content(box, path, lambda data: data[:100]),
    "empty": lambda box, path: content(box, path, lambda _: b""),
    "grown": lambda box, path: content(box, path, lambda data: data + b"x"),
    "missing": lambda box, path: box.disk.lose(path),
}


@pytest.mark.parametrize("harm", HARMS)
async def test_damage_of_a_replica_is_listed_with_its_time_and_mended(box, store, harm):
    await put(store, ref())
    HARMS[harm](box, box.disk.files("replicas")[0])
    box.now = NOW + 7
    assert await store.verify(key(ref())) is False
    (damage,) = listed(store)
    assert (damage.key, damage.manifest, damage.since) == (key(ref()), False, NOW + 7)
    with pytest.raises(IntegrityError, match="is damaged here: ask another holder"):
        await store.get(key(ref()))
    assert store.commitment(key(ref())) is None
    assert await put(store, ref()) is False
    assert listed(store) == []
    assert await store.get(key(ref())) == sealed("one")


@pytest.mark.parametrize("harm", HARMS)
async def test_damage_of_a_manifest_is_listed_with_its_time_and_mended(box, store, harm):
    await put(store, ref())
    await store.put_manifest(ref(), MANIFEST)
    used = store.room.used
    HARMS[harm](box, box.disk.files("manifests")[0])
    box.now = NOW + 7
    assert await store.verify_manifest(ref().file, 1) is False
    (damage,) = listed(store)
    assert (damage.file, damage.slot) == (ref().file, 1)
    assert (damage.manifest, damage.since) == (True, NOW + 7)
    with pytest.raises(IntegrityError, match="manifest is damaged"):
        await store.get_manifest(ref().file, 1)
    await store.put_manifest(ref(), MANIFEST)
    assert listed(store) == []
    assert await store.get_manifest(ref().file, 1) == MANIFEST
    assert store.room.used == used


async def test_reading_a_damaged_manifest_lists_it(box, store):
    await put(store, ref())
    await store.put_manifest(ref(), MANIFEST)
    box.disk.corrupt(box.disk.files("manifests")[0])
    with pytest.raises(IntegrityError, match="its bytes have changed"):
        await store.get_manifest(ref().file, 1)
    assert listed(store) == [Damage(ref().file, 1, 0, True, NOW, "its bytes have changed")]


async def test_swapped_files_are_damaged_even_with_the_same_bytes(box, store):
    await put(store, ref("a"))
    await put(store, ref("b", owner=BOB))
    one, other = (box.disk._names[path] for path in box.disk.files("replicas"))
    one.content, other.content = other.content, one.content
    for name in "ab":
        assert await store.verify(key(ref(name))) is False
    assert {damage.reason for damage in listed(store)} == {"its header has changed"}


async def test_the_time_of_a_damage_is_that_of_its_first_listing(box, store):
    await put(store, ref())
    path = box.disk.files("replicas")[0]
    box.disk.corrupt(path)
    await store.verify(key(ref()))
    box.disk.lose(path)
    box.now = NOW + 100
    await store.verify(key(ref()))
    assert [(each.since, each.reason) for each in listed(store)] == [(NOW, "its file is missing")]
    again = await box.open(NOW + 200)
    assert [each.since for each in listed(again)] == [NOW]
    await put(again, ref())
    box.disk.lose(path)
    await again.verify(key(ref()))
    assert [each.since for each in listed(again)] == [NOW + 200]


async def test_what_is_sound_again_is_listed_no_more(box, store):
    await put(store, ref())
    await store.put_manifest(ref(), MANIFEST)
    paths = box.disk.files("replicas") + box.disk.files("manifests")

    def bad_sectors(operation, path):
        if operation == "read" and path in paths:
            raise UnavailableError(f"{path}: Input/output error")

    box.disk.step = bad_sectors
    assert await store.verify_manifest(ref().file, 1) is False
    assert await store.verify(key(ref())) is False
    assert len(listed(store)) == 2
    box.disk.step = lambda *_: None
    assert await store.get(key(ref())) == sealed("one")  # looked at again before it is refused
    assert await store.verify_manifest(ref().file, 1)
    assert listed(store) == []


async def test_a_listed_manifest_that_is_sound_is_struck_off_by_handing_it_over(box, store):
    await put(store, ref())
    await store.put_manifest(ref(), MANIFEST)
    path = box.disk.files("manifests")[0]
    box.disk.corrupt(path)
    await store.verify_manifest(ref().file, 1)
    box.disk.corrupt(path)  # the same bit once more
    await store.put_manifest(ref(), MANIFEST)
    assert listed(store) == []


async def test_removing_a_slot_ends_its_damage(box, store):
    await put(store, ref())
    await store.put_manifest(ref(), MANIFEST)
    for path in box.disk.files("replicas") + box.disk.files("manifests"):
        box.disk.lose(path)
    await store.verify(key(ref()))
    await store.verify_manifest(ref().file, 1)
    await store.remove(ref().file, 1)
    assert listed(store) == []
    with pytest.raises(NotFoundError):
        await store.verify_manifest(ref().file, 1)


async def test_a_manifest_not_accepted_yet_is_not_damaged(store):
    await put(store, ref())
    with pytest.raises(NotFoundError):
        await store.verify_manifest(ref().file, 1)
    assert listed(store) == []


async def test_opening_lists_missing_manifests(box, store):
    await put(store, ref())
    await store.put_manifest(ref(), MANIFEST)
    box.disk.lose(box.disk.files("manifests")[0])
    store = await box.open(NOW + 9)
    assert (box.recovery.damaged, box.recovery.manifests) == (0, 1)
    assert [(each.manifest, each.since) for each in listed(store)] == [(True, NOW + 9)]


async def test_damage_listed_by_an_earlier_version_has_no_time_yet(box, store):
    await put(store, ref())
    box.disk.lose(box.disk.files("replicas")[0])
    place = b"d/" + cursor(ref().file, 1, 0)
    await box.kv.write({place: b"its bytes have changed"}, sync=True)
    assert listed(store) == [Damage(ref().file, 1, 0, False, 0, "its bytes have changed")]
    await store.verify(key(ref()))
    assert listed(store) == [Damage(ref().file, 1, 0, False, NOW, "its file is missing")]


async def test_damage_is_listed_from_any_cursor(box, store):
    for name in "ab":
        for piece in range(2):
            await put(store, ref(name), str(piece), piece)
        await store.put_manifest(ref(name), MANIFEST)
    for path in box.disk.files("replicas") + box.disk.files("manifests"):
        box.disk.lose(path)
    store = await box.open()
    every = listed(store)
    assert [each.manifest for each in every] == [True, False, False] * 2
    for number, each in enumerate(every):
        after = cursor(each.file, each.slot, None if each.manifest else each.piece)
        assert list(store.catalog.damaged(after)) == every[number + 1 :]


# ---------------------------------------------------------------- what there is to look at


async def test_parts_are_all_files_from_any_cursor(store):
    for name in "abc":
        for piece in range(3):
            await put(store, ref(name), str(piece), piece)
    await store.put_manifest(ref("a"), MANIFEST)
    parts = list(store.catalog.parts())
    assert len(parts) == 10
    assert sum(part.size for part in parts) == store.room.used
    for number, part in enumerate(parts):
        assert list(store.catalog.parts(part.cursor)) == parts[number + 1 :]
    await store.remove(parts[0].file, 1)  # a cursor stays good when what it names is gone
    rest = [part for part in parts if part.file != parts[0].file]
    assert list(store.catalog.parts(parts[1].cursor)) == rest


async def test_entries_that_cannot_be_read_are_named_when_looked_at(box, store):
    await put(store, ref())
    await store.put_manifest(ref(), MANIFEST)
    for prefix, where in ((b"s/", cursor(ref().file, 1)), (b"r/", cursor(ref().file, 1, 0))):
        await box.kv.write({prefix + where: b"poison"}, sync=True)
    assert list(store.catalog.parts()) == [Part(ref().file, 1, None, 0), Part(ref().file, 1, 0, 0)]
    with pytest.raises(CorruptFileError, match=r"damaged SlotEntry .* move its catalog"):
        await store.verify_manifest(ref().file, 1)
    with pytest.raises(CorruptFileError, match="damaged ReplicaEntry"):
        await store.verify(key(ref()))
    assert damaged(store) == []
