"""Group commit, with a disk that does as it is told."""

import asyncio
import threading

import pytest

from xdb.errors import StorageFullError, UnavailableError
from xdb.store.commits import CommitQueue


class Log:
    """Applies batches when let; raises what it was told to."""

    def __init__(self):
        self.applied, self.errors = [], []
        self.gate, self.reached = threading.Event(), threading.Event()
        self.gate.set()

    def apply(self, batch, sync):
        self.reached.set()
        self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)
        self.applied.append((dict(batch), sync))


@pytest.fixture
def log():
    return Log()


@pytest.fixture
def commits(log):
    made = CommitQueue("test-commits", log.apply)
    yield made
    log.gate.set()
    made.close()


async def held(log, commits, count, sync=lambda _number: True, errors=()):
    """`count` writes that wait behind one that is being applied."""
    log.gate.clear()
    log.reached.clear()
    first = asyncio.ensure_future(commits.write({b"first": b""}, sync=True))
    await asyncio.to_thread(log.reached.wait)
    waiting = [
        asyncio.ensure_future(commits.write({b"n": str(n).encode()}, sync=sync(n)))
        for n in range(count)
    ]
    await asyncio.sleep(0)
    log.errors += errors
    log.gate.set()
    return [first, *waiting]


async def test_writes_that_wait_share_one_sync(log, commits):
    await asyncio.gather(*await held(log, commits, 100))
    assert log.applied == [({b"first": b""}, True), ({b"n": b"99"}, True)]


async def test_one_who_wants_a_sync_is_enough(log, commits):
    await asyncio.gather(*await held(log, commits, 10, lambda number: number == 3))
    assert log.applied[-1][1] is True
    await asyncio.gather(*await held(log, commits, 10, lambda _number: False))
    assert log.applied[-1][1] is False


async def test_a_failure_is_told_to_all_and_is_the_end(log, commits):
    writes = await held(log, commits, 5, errors=[UnavailableError("fsync failed")])
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert {type(result) for result in results} == {UnavailableError}
    with pytest.raises(UnavailableError, match=r"failed before \(fsync failed\).*restart"):
        await commits.write({b"a": b""}, sync=False)
    assert log.applied == []


async def test_a_full_disk_is_not_the_end(log, commits):
    log.errors = [StorageFullError("no room")]
    with pytest.raises(StorageFullError):
        await commits.write({b"a": b""}, sync=True)
    await commits.write({b"b": b""}, sync=True)
    assert log.applied == [({b"b": b""}, True)]


async def test_closing_finishes_what_is_queued(log, commits):
    writes = await held(log, commits, 5)
    await asyncio.to_thread(commits.close)
    await asyncio.gather(*writes)
    assert log.applied[-1] == ({b"n": b"4"}, True)
