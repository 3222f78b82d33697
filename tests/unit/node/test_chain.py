"""A chain server with its beacon, over ports in memory."""

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from xdb.blockchain.embedded.config import SequencerConfig
from xdb.core.beacon import beacon_chain
from xdb.model.registry import Parameters
from xdb.node.chain import Beacon, ChainPorts, open_chain
from xdb.runtime.logging import logger
from xdb.runtime.spawn import TaskSpawn
from xdb.store.kv_memory import MemoryKeyValue
from xdb.testing.clock import FakeClock
from xdb.testing.compute import InlineCompute
from xdb.testing.embedded import SEQUENCER, genesis
from xdb.testing.entropy import SeededEntropy
from xdb.testing.keys import NamedKey
from xdb.testing.registry import START

KEY = NamedKey("beacon")


def with_beacon(epoch):
    bare = genesis(parameters=Parameters(start=START, epoch=epoch))
    chain = beacon_chain(KEY, bare.beacon_context, 100)
    named = replace(bare, parameters=replace(bare.parameters, beacons=(chain.commitment,)))
    return named, Beacon(KEY, chain)


@asynccontextmanager
async def opened(start, beacon, clock):
    async with AsyncExitStack() as stack:
        spawn = await stack.enter_async_context(TaskSpawn())
        ports = ChainPorts(
            clock=clock,
            entropy=SeededEntropy(),
            spawn=spawn,
            compute=InlineCompute(),
            ledger=MemoryKeyValue(),
            signer=SEQUENCER,
            beacon=beacon,
            log=logger("chain"),
        )
        yield await open_chain(ports, start, SequencerConfig())


async def test_every_epoch_gets_a_seed_while_it_runs():
    start, beacon = with_beacon(60)
    clock = FakeClock(START)
    async with opened(start, beacon, clock) as node:
        node.start_tasks()
        node.ports.spawn.start(node.ended(), name="blocks")
        for epoch in range(4):
            await clock.advance(START + epoch * 60 + 20 - clock.wall())
            assert node.ledger.newest_seed().epoch == epoch
        (task,) = node.tasks
        assert task.status.failures == 0
        assert task.status.runs >= 60


@pytest.mark.parametrize(("epoch", "every"), [(2, 0.5), (60, 3.0), (3600, 60.0)])
async def test_pace_follows_the_epoch(epoch, every):
    start, beacon = with_beacon(epoch)
    async with opened(start, beacon, FakeClock(START)) as node:
        (task,) = node.tasks
        assert (task.name, task.every, task.at_once) == ("beacon", every, True)


async def test_without_its_key_there_is_no_task():
    start, _ = with_beacon(60)
    with capture_logs() as logs:
        async with opened(start, None, FakeClock(START)) as node:
            assert node.tasks == ()
    assert [entry["event"] for entry in logs] == ["beacon.absent"]
