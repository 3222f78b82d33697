"""The replica store on a real disk, killed in the middle of its work."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from xdb.runtime.compute import LocalCompute
from xdb.store.disk import LocalDisk
from xdb.store.kv import open_kv
from xdb.store.recovery import open_store
from xdb.testing.box import LARGE, LEAF, NOW, commitment, damaged, key, ref, sealed

PUSHER = textwrap.dedent("""
    import asyncio, pathlib, sys
    from tests.integration.test_replica_store import opened, text_of, size_of
    from xdb.testing.box import NOW, commitment, ref, sealed

    async def push(store, number):
        data = sealed(text_of(number), size_of(number))
        slot = ref(f"file {number // 4}")
        await store.put(slot, number % 4, commitment(data), data)
        print(number, flush=True)
        if number % 4 == 3:
            await store.put_manifest(slot, slot.file)
            print("accepted", number // 4, flush=True)
        if number % 8 == 7:
            print("removing", number // 4, flush=True)
            await store.remove(slot.file, slot.slot)

    async def main():
        async with opened(pathlib.Path(sys.argv[1])) as (store, _):
            for start in range(0, 10**6, 16):
                await asyncio.gather(*(push(store, start + number) for number in range(16)))

    asyncio.run(main())
""")


def text_of(number):
    return f"piece {number}"


def size_of(number):
    return (1, 1000, 70_000, 300_000)[number % 4]


class opened:  # noqa: N801  # a context manager, used like a function
    """A store on the directory, and what opening it found."""

    def __init__(self, path):
        self._path = path

    async def __aenter__(self):
        self._compute = LocalCompute(workers=1)
        self._disk = LocalDisk(self._path / "store", self._compute)
        self._kv = open_kv(self._path / "catalog")
        return await open_store(self._disk, self._kv, self._compute, LARGE, LEAF, lambda: NOW)

    async def __aexit__(self, *_):
        self._kv.close()
        self._disk.close()
        self._compute.close()


async def check(tmp, lines):
    pieces = {int(line) for line in lines if line.isdigit()}
    accepted = {int(line.split()[1]) for line in lines if line.startswith("accepted")}
    removing = {int(line.split()[1]) for line in lines if line.startswith("removing")}
    async with opened(tmp) as (store, recovery):
        assert (recovery.damaged, recovery.unreadable, recovery.manifests) == (0, (), 0)
        for number in pieces:
            if number // 4 not in removing:
                where = key(ref(f"file {number // 4}"), number % 4)
                assert await store.get(where) == sealed(text_of(number), size_of(number))
        for number in accepted - removing:
            slot = ref(f"file {number}")
            assert await store.get_manifest(slot.file, slot.slot) == slot.file
        for _, stored in store.slots():
            for piece, entry in store.catalog.replicas(stored.ref.file, stored.ref.slot):
                assert await store.verify(key(stored.ref, piece))
                assert entry.length
        assert damaged(store) == []
        files = [path for path in (tmp / "store").rglob("*") if path.is_file()]
        assert store.room.used == sum(file.stat().st_size for file in files)


@pytest.mark.parametrize("after", [1, 30])
def test_what_was_acknowledged_survives_a_kill(tmp_path, after):
    lines = []
    for _ in range(2):  # the second one opens what the first one left
        with subprocess.Popen(
            [sys.executable, "-c", PUSHER, tmp_path], stdout=subprocess.PIPE, text=True
        ) as pusher:
            lines += [pusher.stdout.readline() for _ in range(after)]
            os.kill(pusher.pid, signal.SIGKILL)
            lines += pusher.stdout.readlines()
        asyncio.run(check(tmp_path, [line.strip() for line in lines if line.endswith("\n")]))


def test_large_and_small_replicas_go_through_a_real_disk(tmp_path):
    async def play():
        data = os.urandom((4 << 20) + 13)
        async with opened(tmp_path) as (store, _):
            for piece, part in enumerate((data, data[:300_001], data[:65_536], data[:1])):
                assert await store.put(ref(), piece, commitment(part), part) is False
                assert await store.get(key(ref(), piece)) == part
                assert await store.verify(key(ref(), piece))
            assert await store.get(key(ref()), 4_000_000, 194_317) == data[4_000_000:]
            assert await store.get(key(ref()), 5, 300_000) == data[5:300_005]

    asyncio.run(play())
