import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from xdb.blockchain.embedded.backend import local_registry
from xdb.blockchain.embedded.sequencer import Sequencer
from xdb.core.beacon import HashChain, beacon_chain
from xdb.errors import ConfigError, RefusedCallError
from xdb.model.calls import RevealSeed
from xdb.model.events import SeedRevealed
from xdb.model.ids import Digest
from xdb.model.refusal import Refusal
from xdb.model.registry import Parameters
from xdb.store.kv_memory import MemoryKeyValue
from xdb.tasks.beacon import BeaconReport, BeaconTask
from xdb.testing.clock import FakeClock, settle
from xdb.testing.embedded import SEQUENCER, genesis, ledger
from xdb.testing.entropy import SeededEntropy
from xdb.testing.keys import NamedKey
from xdb.testing.registry import START

EPOCH = 600
LENGTH = 50
KEY, STRANGER = NamedKey("beacon"), NamedKey("stranger")
BARE = genesis(parameters=Parameters(start=START, epoch=EPOCH))
CHAIN = beacon_chain(KEY, BARE.beacon_context, LENGTH)
GENESIS = replace(BARE, parameters=replace(BARE.parameters, beacons=(CHAIN.commitment,)))


class World:
    """A chain server with a beacon."""

    def __init__(self, source, clock, chain):
        self.clock = clock
        self.ledger = source
        self.sequencer = Sequencer(source, SEQUENCER, clock)
        self.task = BeaconTask(chain, source, self.sequencer, self.registry(KEY))

    def registry(self, key):
        return local_registry(self.ledger, self.sequencer, key, self.clock, SeededEntropy(key.name))

    async def to(self, epoch, seconds=0):
        await self.clock.advance(START + epoch * EPOCH + seconds - self.clock.wall())

    def seeds(self):
        return [
            event.epoch
            for height in range(1, self.ledger.head.height + 1)
            for event in self.ledger.events(height).events
            if isinstance(event, SeedRevealed)
        ]


@asynccontextmanager
async def server(*, kv=None, clock=None, chain=CHAIN, start=GENESIS):
    async with asyncio.timeout(20):
        made = World(await ledger(start, kv), clock or FakeClock(START), chain)
        running = asyncio.create_task(made.sequencer.run())
        await settle()
        try:
            yield made
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_every_epoch_gets_its_seed():
    async with server() as world:
        seeds = set()
        for epoch in range(4):
            await world.to(epoch, 20)
            assert await world.task.run_once() == BeaconReport(epoch)
            newest = world.ledger.newest_seed()
            assert (newest.epoch, newest.preimages) == (epoch, (CHAIN.preimage(epoch),))
            seeds.add(newest.seed)
        assert len(seeds) == 4
        assert world.seeds() == [0, 1, 2, 3]


async def test_a_seed_is_revealed_once():
    async with server() as world:
        await world.task.run_once()
        height = world.ledger.head.height
        assert await world.task.run_once() == BeaconReport(0, "it has its seed")
        assert world.ledger.head.height == height


async def test_the_second_half_is_too_late():
    async with server() as world:
        await world.to(1, EPOCH // 2 + 1)
        report = await world.task.run_once()
        assert (report.epoch, report.idle) == (
            1,
            "its first half is over: the next one gets a seed",
        )
        assert world.ledger.newest_seed() is None
        await world.to(2)
        assert await world.task.run_once() == BeaconReport(2)


async def test_the_last_moment_is_taken():
    async with server() as world:
        await world.to(1, EPOCH // 2)
        assert await world.task.run_once() == BeaconReport(1)


async def test_nothing_before_the_first_epoch():
    later = replace(GENESIS, parameters=replace(GENESIS.parameters, start=START + EPOCH))
    async with server(start=later) as world:
        await world.to(0, EPOCH - 1)
        assert (await world.task.run_once()).idle == "the first epoch has not begun"
        await world.to(1)
        assert await world.task.run_once() == BeaconReport(0)


async def test_epochs_without_it_are_skipped():
    async with server() as world:
        await world.task.run_once()
        await world.to(17, 5)
        assert await world.task.run_once() == BeaconReport(17)
        await world.to(18)
        assert await world.task.run_once() == BeaconReport(18)
        assert world.seeds() == [0, 17, 18]


async def test_a_restart_goes_on_from_the_ledger():
    kv, clock = MemoryKeyValue(), FakeClock(START)
    async with server(kv=kv, clock=clock) as world:
        await world.task.run_once()
    async with server(kv=kv, clock=clock) as world:
        assert await world.task.run_once() == BeaconReport(0, "it has its seed")
    clock.jump(5 * EPOCH)  # nothing ran meanwhile: the head's time lies in epoch 0
    async with server(kv=kv, clock=clock) as world:
        assert world.ledger.newest_seed().epoch == 0
        assert await world.task.run_once() == BeaconReport(5)
        assert world.seeds() == [0, 5]


async def test_somebody_else_may_be_faster():
    async with server() as world:

        class Faster:
            """Is overtaken on the way."""

            parameters = GENESIS.parameters

            async def submit(self, call):
                await world.registry(STRANGER).submit(call)
                return await world.registry(KEY).submit(call)

        task = replace(world.task, registry=Faster())
        assert await task.run_once() == BeaconReport(0, "somebody else revealed its seed")
        assert world.seeds() == [0]


async def test_a_call_that_comes_late_is_no_failure():
    async with server() as world:

        class Slow:
            """Takes half an epoch."""

            parameters = GENESIS.parameters

            async def submit(self, call):
                await world.to(0, EPOCH // 2 + 1)
                return await world.registry(KEY).submit(call)

        report = await replace(world.task, registry=Slow()).run_once()
        assert report.epoch == 0
        assert "epoch 0 is 301 s old" in report.idle
        assert world.seeds() == []


async def test_wrong_key_is_a_failure():
    other = HashChain(b"x" * 32, LENGTH)
    async with server(chain=other) as world:
        with pytest.raises(RefusedCallError, match="does not lead to its commitment") as caught:
            await world.task.run_once()
        assert caught.value.refusal == Refusal.SEED


async def test_the_chain_of_seeds_ends():
    async with server() as world:
        await world.to(LENGTH - 1)
        assert await world.task.run_once() == BeaconReport(LENGTH - 1)
        await world.to(LENGTH)
        with pytest.raises(ConfigError, match="audits are over"):
            await world.task.run_once()


async def test_a_stranger_cannot_guess_the_next_seed():
    async with server() as world:
        await world.task.run_once()
        await world.to(1)
        with pytest.raises(RefusedCallError, match="does not lead"):
            await world.registry(STRANGER).submit(RevealSeed(1, (Digest(bytes(32)),)))
