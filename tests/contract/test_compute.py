"""What every compute does, and what worker processes do besides."""

import asyncio
import os
import select
import signal
import subprocess
import sys
import textwrap

import pytest

from xdb.core.merkle import replica_root
from xdb.core.sealing import seal, seal_and_commit
from xdb.errors import IntegrityError, UnavailableError
from xdb.runtime.compute import LocalCompute
from xdb.testing.compute import InlineCompute

KEY = b"k" * 32


@pytest.fixture(params=[InlineCompute, LocalCompute])
async def compute(request):
    made = request.param()
    yield made
    if isinstance(made, LocalCompute):
        made.close()


@pytest.fixture
async def local():
    made = LocalCompute(workers=2)
    yield made
    made.close()


def length(source, extra=0):
    return len(source) + extra


def fail(source):
    raise IntegrityError(f"no good: {bytes(source[:3])!r}")


def die(_source):
    os.kill(os.getpid(), signal.SIGKILL)


def pid(_source):
    return os.getpid()


async def test_threads(compute):
    assert await compute.in_thread(pow, 2, 10) == 1024
    with pytest.raises(ZeroDivisionError):
        await compute.in_thread(divmod, 1, 0)


@pytest.mark.parametrize("size", [0, 1, 65536, 5_000_001])
async def test_processes_see_the_bytes(compute, size):
    data = os.urandom(size)
    assert await compute.in_process(replica_root, data, 1024) == replica_root(data, 1024)
    assert await compute.in_process(length, memoryview(data), extra=2) == size + 2


@pytest.mark.parametrize("size", [1, 4096, 4 << 20])
async def test_transform_fills_a_target(compute, size):
    data = os.urandom(size)
    sealed, commitment = await compute.transform(seal_and_commit, data, size, KEY, 3, 1024)
    assert sealed == seal(KEY, 3, data)
    assert commitment.root == replica_root(sealed, 1024)


async def test_errors_come_back_as_they_are(compute):
    with pytest.raises(IntegrityError, match="no good: b'abc'"):
        await compute.in_process(fail, b"abcdef")


async def test_sizes_may_grow_and_shrink(compute):
    for size in (10, 3 << 20, 7, 9 << 20, 1):
        assert await compute.in_process(length, bytes(size)) == size


async def test_workers_are_reused_and_work_side_by_side(local):
    pids = await asyncio.gather(*(local.in_process(pid, b"") for _ in range(20)))
    assert 1 <= len(set(pids)) <= 2
    assert os.getpid() not in pids


async def test_a_worker_that_dies_is_replaced(local):
    for _ in range(4):
        with pytest.raises(UnavailableError, match="worker process died"):
            await local.in_process(die, b"")
        assert await local.in_process(length, b"abc") == 3


async def test_a_cancelled_caller_leaves_the_worker_in_order(local):
    task = asyncio.ensure_future(local.in_process(replica_root, bytes(8 << 20), 1024))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await local.in_process(length, b"abcd") == 4


PARENT = textwrap.dedent("""
    import asyncio, os, time
    from tests.contract.test_compute import pid
    from xdb.runtime.compute import LocalCompute

    async def main():
        compute = LocalCompute(workers=1)
        print(await compute.in_process(pid, b""), flush=True)
        await compute.in_thread(time.sleep, 600)

    asyncio.run(main())
""")


def test_no_worker_outlives_its_parent():
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True
    ) as parent:
        worker = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
        select.select([worker], [], [])
        os.close(worker)


async def test_nothing_is_taken_after_close():
    compute = LocalCompute(workers=1)
    await compute.in_process(length, b"abc")
    compute.close()
    compute.close()
    with pytest.raises(UnavailableError, match="about to end"):
        await compute.in_process(length, b"abc")
    with pytest.raises(UnavailableError, match="about to end"):
        await compute.in_thread(pow, 2, 3)


def shout(_source):
    print("into the middle of the answers")  # noqa: T201
    return 1


async def test_what_a_worker_prints_does_no_harm(local):
    assert [await local.in_process(shout, b"") for _ in range(3)] == [1, 1, 1]


async def test_a_worker_finds_what_its_parent_finds(tmp_path, monkeypatch):
    (tmp_path / "xdb").mkdir()
    (tmp_path / "xdb" / "__init__.py").write_text("raise ImportError('a trap')")
    monkeypatch.chdir(tmp_path)
    compute = LocalCompute(workers=1)
    assert await compute.in_process(length, b"abc") == 3
    compute.close()


async def test_no_worker_outlives_close():
    compute = LocalCompute(workers=1)
    worker = await compute.in_process(pid, b"")
    compute.close()
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
