import pytest

from xdb.model.calls import Publish
from xdb.model.registry import Parameters
from xdb.tasks.collector import CollectorReport, CollectorTask
from xdb.testing.chain import MemoryChain
from xdb.testing.clock import FakeClock
from xdb.testing.custody import SealedFile, memory_custody
from xdb.testing.keys import NamedKey
from xdb.testing.registry import DAY, START, namespace_call, node_call

OWNER = NamedKey("owner")
NODES = NamedKey("a"), NamedKey("b")


class Bench:
    def __init__(self, lag=0):
        self.chain = MemoryChain(Parameters(start=START), FakeClock(START), lag=lag)
        self.chain.call(OWNER.address, namespace_call("ns"))
        for key in NODES:
            self.chain.call(key.address, node_call(key))
        self.custodies = [memory_custody(self.chain, key, FakeClock(START)) for key in NODES]
        first = self.custodies[0]
        self.store = first.store
        self.task = CollectorTask(first.facts, first.store)

    def file(self, title):
        return SealedFile(self.chain.deployment, OWNER, title, b"x" * 100_000)

    async def push(self, file, number=0):
        custody, slot = self.custodies[number], number + 1
        for piece, (commitment, data) in enumerate(
            zip(file.commitments(slot), file.replicas(slot), strict=True)
        ):
            await custody.push(OWNER.address, file.ref(slot), piece, commitment, data)

    async def accept(self, file, number=0):
        expiry = self.chain.time + 30 * DAY
        return await self.custodies[number].accept(
            OWNER.address, file.ref(number + 1), file.manifest_digest, file.manifest, expiry, 1
        )

    async def publish(self, file):
        holders = []
        for number in range(2):
            await self.push(file, number)
            holders.append(await self.accept(file, number))
        call = Publish((file.new(tuple(holders), self.chain.time + 30 * DAY),))
        self.chain.call(OWNER.address, call)

    def has(self, file):
        return self.store.slot(file.id, 1) is not None


@pytest.fixture
def bench():
    return Bench()


@pytest.mark.parametrize("accepted", [False, True])
async def test_stray_goes_after_its_grace_and_not_before(bench, accepted):
    file = bench.file("stray")
    await bench.push(file)
    if accepted:
        await bench.accept(file)
    grace = bench.chain.parameters.stray_grace
    bench.chain.advance(grace)
    assert await bench.task.run_once() == CollectorReport(1, 0)
    assert bench.has(file)
    bench.chain.advance(1)
    assert await bench.task.run_once() == CollectorReport(1, 1)
    assert not bench.has(file)
    assert bench.store.room.used == 0


async def test_published_file_stays(bench):
    file = bench.file("published")
    await bench.publish(file)
    bench.chain.advance(10 * DAY)
    assert await bench.task.run_once() == CollectorReport(1, 0)
    assert bench.has(file)


async def test_receipt_is_worthless_before_its_slot_goes(bench):
    """Publishing at the last moment works, or the slot is gone: never both."""
    file = bench.file("late")
    await bench.push(file)
    grace = bench.chain.parameters.stray_grace
    bench.chain.advance(grace - 10)
    holder = await bench.accept(file)
    bench.chain.advance(11)
    assert holder.valid_until < bench.chain.time
    assert (await bench.task.run_once()).removed == 1


async def test_nothing_goes_while_the_newest_blocks_may_be_undone():
    bench = Bench(lag=5)
    file = bench.file("stray")
    await bench.push(file)
    bench.chain.advance(bench.chain.parameters.stray_grace + 1)
    assert await bench.task.run_once() == CollectorReport(1, 0)
    assert bench.has(file)


async def test_many_slots_are_looked_at(bench):
    files = [bench.file(f"stray {number}") for number in range(5)]
    for file in files:
        await bench.push(file)
    bench.chain.advance(bench.chain.parameters.stray_grace + 1)
    assert await bench.task.run_once() == CollectorReport(5, 5)
