import pytest

from xdb.services.upload.journal import DONE_KEPT
from xdb.tasks.journal import JournalReport, JournalTask
from xdb.testing.network import network
from xdb.testing.owner import OwnerBench


@pytest.fixture
async def bench():
    async with network() as made:
        yield OwnerBench(made)


async def test_finished_uploads_are_forgotten_in_the_end(bench):
    await bench.upload(b"data")
    task = JournalTask(bench.network.index, bench.journal)
    assert await task.run_once() == JournalReport(0)
    bench.network.chain.advance(DONE_KEPT)
    await bench.network.caught_up()
    assert await task.run_once() == JournalReport(1)
    assert await task.run_once() == JournalReport(0)
