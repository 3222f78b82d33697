"""Files that are ready together share a call."""

import asyncio

import pytest

from xdb.errors import RefusedCallError, TimeoutExpiredError
from xdb.model.refusal import Refusal
from xdb.ports.blockchain import Inclusion
from xdb.runtime.spawn import TaskSpawn
from xdb.services.publisher import BatchPublisher
from xdb.testing.clock import settle
from xdb.testing.registry import DAY, TWO_COPIES, World, digest


class Gate:
    """A `Registry` that answers when it is told to."""

    def __init__(self, world):
        self.parameters = world.parameters
        self.deployment = world.chain.deployment
        self.calls = []
        self.open = asyncio.Event()
        self.refused = set()
        self.failure = None

    async def submit(self, call):
        self.calls.append([file.nonce for file in call.files])
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        if any(file.nonce in self.refused for file in call.files):
            raise RefusedCallError(Refusal.NAME_TAKEN, "the name is taken")
        return Inclusion(len(self.calls), 0, digest("transaction"))


@pytest.fixture
def world():
    return World()


@pytest.fixture
async def gate(world):
    return Gate(world)


@pytest.fixture
async def publisher(gate):
    async with TaskSpawn() as spawn:
        yield BatchPublisher(gate, spawn)


def new(world, title):
    draft = world.draft(world.alice, title, TWO_COPIES)
    return draft.new(world.nodes[:2], expiry=world.now + DAY, valid_until=world.now)


async def started(publisher, files):
    tasks = [asyncio.ensure_future(publisher.publish(file)) for file in files]
    await settle()
    return tasks


async def test_files_wait_for_the_call_under_way_and_share_the_next(world, gate, publisher):
    files = [new(world, f"f{number}") for number in range(5)]
    first = await started(publisher, files[:1])
    rest = await started(publisher, files[1:])
    gate.open.set()
    heights = [done.height for done in await asyncio.gather(*first, *rest)]
    assert gate.calls == [[files[0].nonce], [file.nonce for file in files[1:]]]
    assert heights == [1, 2, 2, 2, 2]


async def test_a_call_takes_no_more_files_than_the_chain(world, gate, publisher):
    most = gate.parameters.max_files_per_call
    file = new(world, "f")
    tasks = await started(publisher, [file] * (most + 2))
    gate.open.set()
    await asyncio.gather(*tasks)
    assert [len(call) for call in gate.calls] == [most, 2]


async def test_a_refused_file_harms_no_other(world, gate, publisher):
    files = [new(world, f"f{number}") for number in range(4)]
    gate.refused = {files[2].nonce}
    tasks = await started(publisher, files)
    gate.open.set()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(each, RefusedCallError) for each in done] == [False, False, True, False]
    assert [len(call) for call in gate.calls] == [4, 1, 1, 1, 1]


async def test_what_is_not_known_is_said_to_all_and_the_next_call_goes_on(world, gate, publisher):
    gate.failure = TimeoutExpiredError("no answer")
    tasks = await started(publisher, [new(world, "a"), new(world, "b")])
    gate.open.set()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in done] == [TimeoutExpiredError] * 2
    gate.failure = None
    await publisher.publish(new(world, "c"))


async def test_who_gave_up_is_not_published(world, gate, publisher):
    files = [new(world, f"f{number}") for number in range(3)]
    first = await started(publisher, files[:1])
    rest = await started(publisher, files[1:])
    rest[0].cancel()
    await settle()
    gate.open.set()
    await asyncio.gather(*first, rest[1])
    assert gate.calls[1] == [files[2].nonce]


async def test_when_the_node_stops_nobody_waits_for_ever(world, gate):
    async with TaskSpawn() as spawn:
        publisher = BatchPublisher(gate, spawn)
        tasks = await started(publisher, [new(world, "a")])
        tasks += await started(publisher, [new(world, "b")])
    await settle()
    assert [task.cancelled() for task in tasks] == [True, True]
