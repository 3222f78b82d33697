import pytest

from xdb.tasks.journal import LONGEST, JournalReport, JournalTask
from xdb.testing.network import network
from xdb.testing.owner import OwnerBench


@pytest.fixture
async def bench():
    async with network() as made:
        yield OwnerBench(made)


async def test_finished_and_given_up_uploads_are_forgotten_in_the_end(bench):
    await bench.upload(b"data")
    task = JournalTask(bench.network.index, bench.journal)
    assert await task.run_once() == JournalReport(0)
    parameters = bench.network.index.parameters
    bench.network.chain.advance(LONGEST + parameters.stray_grace + 1)
    await bench.network.caught_up()
    assert await task.run_once() == JournalReport(1)
    assert await task.run_once() == JournalReport(0)
