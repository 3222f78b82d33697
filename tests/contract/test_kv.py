"""What every key-value store does."""

import asyncio
import importlib.util
import os
import signal
import subprocess
import sys
import textwrap
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xdb.errors import ConfigError, CorruptFileError, UnavailableError
from xdb.store.kv import open_kv
from xdb.store.kv_memory import MemoryKeyValue

ON_DISK = ["sqlite", *(["leveldb"] if importlib.util.find_spec("plyvel") else [])]


@pytest.fixture(params=["memory", *ON_DISK])
def kv(request, tmp_path):
    store = MemoryKeyValue() if request.param == "memory" else open_kv(tmp_path, request.param)
    yield store
    store.close()


async def put(kv, *keys, sync=False):
    await kv.write({key: b"v" + key for key in keys}, sync=sync)


def keys(found):
    return [key for key, _ in found]


async def test_what_is_written_is_read(kv):
    await kv.write({b"a": b"1", b"b": b""}, sync=True)
    assert (kv.get(b"a"), kv.get(b"b"), kv.get(b"c")) == (b"1", b"", None)


async def test_none_deletes(kv):
    await put(kv, b"a", b"b")
    await kv.write({b"a": None, b"absent": None, b"c": b"3"}, sync=False)
    assert keys(kv.scan(b"")) == [b"b", b"c"]


async def test_scans_are_in_order_of_keys(kv):
    await put(kv, b"p/2", b"p/10", b"q/1", b"p/\xff", b"p", b"\xff\xff", b"p/")
    assert keys(kv.scan(b"p/")) == [b"p/", b"p/10", b"p/2", b"p/\xff"]
    assert keys(kv.scan(b"p/", reverse=True)) == [b"p/\xff", b"p/2", b"p/10", b"p/"]
    assert keys(kv.scan(b"\xff")) == [b"\xff\xff"]
    assert keys(kv.scan(b"p/", after=b"p/10")) == [b"p/2", b"p/\xff"]
    assert keys(kv.scan(b"p/", after=b"p/2", reverse=True)) == [b"p/10", b"p/"]
    assert keys(kv.scan(b"x")) == []


async def test_the_empty_key_is_a_key(kv):
    await put(kv, b"", b"a")
    assert keys(kv.scan(b"")) == [b"", b"a"]
    assert keys(kv.scan(b"", reverse=True)) == [b"a", b""]
    assert keys(kv.scan(b"", after=b"a", reverse=True)) == [b""]


async def test_a_scan_shows_the_store_as_it_was(kv):
    await put(kv, b"a", b"b", b"c")
    scan = kv.scan(b"")
    await kv.write({b"a": None, b"b": b"changed", b"d": b"new"}, sync=False)
    assert list(scan) == [(b"a", b"va"), (b"b", b"vb"), (b"c", b"vc")]
    assert keys(kv.scan(b"")) == [b"b", b"c", b"d"]


async def test_a_scan_may_be_left_unfinished(kv):
    await put(kv, *(bytes([n]) for n in range(100)))
    for _ in range(20):
        assert next(kv.scan(b"")) == (b"\0", b"v\0")
    await put(kv, b"z")


async def test_concurrent_writes_keep_their_order(kv):
    await asyncio.gather(
        *(kv.write({b"last": str(n).encode()}, sync=n % 7 == 0) for n in range(200))
    )
    assert kv.get(b"last") == b"199"


async def test_threads_read_at_the_same_time_what_each_asked_for(kv):
    wanted = {b"%d" % n: bytes([n]) * (n * 40) for n in range(120)}
    await kv.write(wanted, sync=False)

    def read():
        for _ in range(5):
            assert {key: kv.get(key) for key in wanted} == wanted
            assert dict(kv.scan(b"")) == wanted

    await asyncio.gather(*(asyncio.to_thread(read) for _ in range(6)))


async def test_a_cancelled_write_still_keeps_its_place(kv):
    first = asyncio.ensure_future(kv.write({b"a": b"1"}, sync=True))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await kv.write({b"b": b"2"}, sync=True)
    assert (kv.get(b"a"), kv.get(b"b")) == (b"1", b"2")


@pytest.mark.parametrize("kind", ON_DISK)
async def test_it_is_there_when_opened_again(tmp_path, kind):
    kv = open_kv(tmp_path, kind)
    await put(kv, b"a", b"b")
    kv.close()
    kv.close()
    kv = open_kv(tmp_path)
    assert keys(kv.scan(b"")) == [b"a", b"b"]
    kv.close()


@pytest.mark.parametrize("kind", ON_DISK)
async def test_nobody_opens_it_twice(tmp_path, kind):
    kv = open_kv(tmp_path, kind)
    with pytest.raises(ConfigError, match=f"{tmp_path}.* is in use by another process: stop"):
        open_kv(tmp_path, kind)
    kv.close()
    open_kv(tmp_path, kind).close()


@pytest.mark.parametrize("kind", ON_DISK)
async def test_a_closed_store_takes_and_gives_nothing(tmp_path, kind):
    kv = open_kv(tmp_path, kind)
    kv.close()
    with pytest.raises(UnavailableError, match="closed"):
        await put(kv, b"a")
    with pytest.raises(UnavailableError, match="closed"):
        kv.get(b"a")
    with pytest.raises(UnavailableError, match="closed"):
        kv.scan(b"")


@pytest.mark.skipif(len(ON_DISK) < 2, reason="LevelDB is not installed")
async def test_a_store_of_the_other_kind_is_never_made_beside_one(tmp_path):
    open_kv(tmp_path, "sqlite").close()
    with pytest.raises(ConfigError, match="holds a sqlite store"):
        open_kv(tmp_path, "leveldb")
    kv = open_kv(tmp_path)
    await put(kv, b"a")
    kv.close()
    assert not (tmp_path / "kv.leveldb").exists()


def test_a_damaged_sqlite_file_is_named(tmp_path):
    (tmp_path / "kv.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(CorruptFileError, match=r"kv\.sqlite is damaged .* restore it"):
        open_kv(tmp_path)


def test_what_cannot_be_opened_is_said_so_and_leaves_no_lock(tmp_path):
    (tmp_path / "kv.sqlite").mkdir()
    for _ in range(2):
        with pytest.raises(UnavailableError, match=r"kv\.sqlite: unable to open"):
            open_kv(tmp_path)


@pytest.mark.skipif("leveldb" not in ON_DISK, reason="LevelDB is not installed")
async def test_a_damaged_leveldb_is_named(tmp_path):
    kv = open_kv(tmp_path, "leveldb")
    await put(kv, b"a", sync=True)
    kv.close()
    for file in (tmp_path / "kv.leveldb").glob("MANIFEST-*"):
        file.write_bytes(b"\0" * 100)
    with pytest.raises(CorruptFileError, match="is damaged"):
        open_kv(tmp_path)


WRITER = textwrap.dedent("""
    import asyncio, pathlib, sys
    from xdb.store.kv import open_kv

    async def main():
        kv = open_kv(pathlib.Path(sys.argv[1]), sys.argv[2])
        for number in range(10**6):
            await kv.write({b"%08d" % number: b"v" * 100}, sync=True)
            print(number, flush=True)

    asyncio.run(main())
""")


@pytest.mark.parametrize("kind", ON_DISK)
def test_what_was_acknowledged_survives_a_kill(tmp_path, kind):
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, tmp_path, kind], stdout=subprocess.PIPE, text=True
    ) as writer:
        seen = [int(writer.stdout.readline()) for _ in range(25)]
        os.kill(writer.pid, signal.SIGKILL)
        seen += [int(line) for line in writer.stdout if line.endswith("\n")]
    kv = open_kv(tmp_path)
    assert len(list(kv.scan(b""))) >= len(seen)
    assert all(kv.get(b"%08d" % number) for number in seen)
    kv.close()


FULL_DISK = textwrap.dedent("""
    import asyncio, pathlib, resource, sys
    from xdb.errors import StorageFullError
    from xdb.store.kv import open_kv

    def limit(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    async def main():
        kv = open_kv(pathlib.Path(sys.argv[1]), "leveldb")
        await kv.write({b"before": b"1"}, sync=True)
        scan = kv.scan(b"")
        limit(20_000)
        for _ in range(2):
            try:
                await kv.write({b"large": bytes(100_000)}, sync=True)
            except StorageFullError as error:
                print(error)
            limit(resource.RLIM_INFINITY)
            assert kv.get(b"before") == b"1"
        await kv.write({b"after": b"2"}, sync=True)
        assert kv.get(b"before") == b"1"
        kv.close()

    asyncio.run(main())
""")


@pytest.mark.skipif("leveldb" not in ON_DISK, reason="LevelDB is not installed")
def test_leveldb_goes_on_when_there_is_room_again(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, tmp_path], capture_output=True, text=True, check=True
    )
    assert "no room left" in done.stdout
    kv = open_kv(tmp_path)
    assert keys(kv.scan(b"")) == [b"after", b"before", b"large"]
    kv.close()


async def test_a_write_is_as_it_was_at_the_call(kv):
    batch = {b"a": b"1"}
    writing = asyncio.ensure_future(kv.write(batch, sync=False))
    await asyncio.sleep(0)
    batch[b"a"] = b"2"
    await writing
    assert kv.get(b"a") == b"1"


@pytest.mark.parametrize("kind", ON_DISK)
async def test_new_directories_are_private(tmp_path, kind):
    open_kv(tmp_path / "clock" / "block", kind).close()
    for directory in (tmp_path / "clock", tmp_path / "clock" / "block"):
        assert directory.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("kind", ON_DISK)
async def test_a_scan_may_outlive_its_store(tmp_path, kind):
    kv = open_kv(tmp_path, kind)
    await put(kv, b"a", b"b")
    scan = kv.scan(b"")
    next(scan)
    kv.close()
    with suppress(UnavailableError):
        assert keys(scan) == [b"b"]


small = st.binary(max_size=3)
steps = st.lists(st.dictionaries(small, st.none() | small, max_size=4), max_size=20)


@pytest.mark.parametrize("kind", ON_DISK)
@settings(deadline=None, max_examples=30)
@given(steps=steps, query=st.tuples(small, small, st.booleans()))
def test_like_a_sorted_dict(tmp_path_factory, kind, steps, query):
    prefix, after, reverse = query

    async def play():
        kv, model = open_kv(tmp_path_factory.mktemp("kv"), kind), MemoryKeyValue()
        for batch in steps:
            await kv.write(batch, sync=False)
            await model.write(batch, sync=False)
        found = list(kv.scan(prefix, after=after, reverse=reverse))
        assert found == list(model.scan(prefix, after=after, reverse=reverse))
        kv.close()

    asyncio.run(play())
