import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from xdb.blockchain.embedded.blocks import read_block
from xdb.blockchain.embedded.config import SequencerConfig
from xdb.blockchain.embedded.sequencer import Sequencer
from xdb.core.envelope import envelope_digest
from xdb.errors import ConfigError, OverloadedError, UnavailableError
from xdb.model.calls import Heartbeat, UpdateNode
from xdb.model.ids import Address, Signature
from xdb.model.refusal import Refusal
from xdb.model.registry import Parameters
from xdb.store.kv_memory import MemoryKeyValue
from xdb.testing.clock import FakeClock, settle
from xdb.testing.embedded import SEQUENCER, envelope, genesis, ledger
from xdb.testing.keys import NamedKey
from xdb.testing.registry import START, node_call

GENESIS = genesis()
NODE = NamedKey("node")


class SlowKeyValue(MemoryKeyValue):
    """Writes when it is told to."""

    def __init__(self):
        super().__init__()
        self.may_write = asyncio.Event()
        self.may_write.set()
        self.fails = False

    async def write(self, batch, *, sync):
        await self.may_write.wait()
        if self.fails:
            raise UnavailableError("the disk failed")
        await super().write(batch, sync=sync)


class Made:
    """A running sequencer with all it is made of."""

    def __init__(self, source, clock, config):
        self.ledger = source
        self.clock = clock
        self.sequencer = Sequencer(source, SEQUENCER, clock, config)
        self.task = asyncio.create_task(self.sequencer.run())

    def submit(self, key, call, name, deadline=START + 60):
        return self.sequencer.submit(envelope(key, call, self.ledger.genesis, name, deadline))

    async def stop(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@asynccontextmanager
async def running(config=None, *, kv=None, clock=None, start=GENESIS):
    async with asyncio.timeout(20):
        made = Made(await ledger(start, kv), clock or FakeClock(START), config)
        yield made
        await made.stop()


def block(source, height):
    return read_block(source.block(height), GENESIS.deployment, GENESIS.sequencer)


async def test_only_the_sequencers_key_makes_blocks():
    with pytest.raises(ConfigError, match="the genesis names the sequencer"):
        Sequencer(await ledger(GENESIS), NODE, FakeClock())


async def test_a_lone_call_gets_a_block_at_once():
    async with running() as made:
        outcome = await made.submit(NODE, node_call(NODE), "a")
        assert (outcome.height, outcome.refusal, outcome.time) == (1, Refusal.NONE, START)
        assert made.ledger.head.height == 1


async def test_a_burst_shares_blocks():
    kv = SlowKeyValue()
    async with running(kv=kv) as made:
        await made.submit(NODE, node_call(NODE), "a")
        kv.may_write.clear()
        calls = [
            asyncio.create_task(made.submit(NODE, Heartbeat(NODE.node), str(n))) for n in range(50)
        ]
        await settle()
        kv.may_write.set()
        outcomes = await asyncio.gather(*calls)
        assert {outcome.refusal for outcome in outcomes} == {Refusal.NONE}
        assert made.ledger.head.height <= 3
        heights = [outcome.height for outcome in outcomes]
        assert heights == sorted(heights)


async def test_blocks_are_bounded_in_calls_and_bytes():
    config = SequencerConfig(block_calls=10, block_size=2000)
    kv = SlowKeyValue()
    async with running(config, kv=kv) as made:
        await made.submit(NODE, node_call(NODE), "a")
        kv.may_write.clear()
        small = [
            asyncio.create_task(made.submit(NODE, Heartbeat(NODE.node), str(n))) for n in range(25)
        ]
        large = [
            asyncio.create_task(made.submit(NODE, UpdateNode(operator="o" * 2500), f"l{n}"))
            for n in range(3)
        ]
        await settle()
        kv.may_write.set()
        await asyncio.gather(*small, *large)
        counts = [
            len(block(made.ledger, height).transactions)
            for height in range(2, made.ledger.head.height + 1)
        ]
        assert sum(counts) == 28
        assert max(counts) <= 10
        assert counts[-3:] == [1, 1, 1]


async def test_refused_calls_are_recorded_with_their_code():
    async with running() as made:
        outcome = await made.submit(NODE, Heartbeat(NODE.node), "a")
        assert outcome.refusal is Refusal.NODE_UNKNOWN
        assert outcome.height == 1
        assert "not registered" in outcome.reason
        (transaction,) = block(made.ledger, 1).transactions
        assert transaction.refusal is Refusal.NODE_UNKNOWN


async def test_the_same_envelope_has_the_same_outcome_however_often_it_comes():
    kv = MemoryKeyValue()
    async with running(kv=kv) as made:
        together = await asyncio.gather(
            *(made.submit(NODE, node_call(NODE), "a") for _ in range(3))
        )
        later = await made.submit(NODE, node_call(NODE), "a")
        refused = await made.submit(NODE, node_call(NODE), "b")
        assert {*together, later} == {later}
        assert refused.refusal is Refusal.NODE_EXISTS
        assert await made.submit(NODE, node_call(NODE), "b") == refused
        assert made.ledger.head.height == 2
    async with running(kv=kv) as made:  # after a restart, too
        assert await made.submit(NODE, node_call(NODE), "a") == later
        assert made.ledger.head.height == 2


async def test_whoever_gives_up_waiting_does_not_take_the_call_back():
    kv = SlowKeyValue()
    async with running(kv=kv) as made:
        kv.may_write.clear()
        first = asyncio.create_task(made.submit(NODE, node_call(NODE), "a"))
        second = asyncio.create_task(made.submit(NODE, node_call(NODE), "a"))
        await settle()
        first.cancel()
        await settle()
        kv.may_write.set()
        assert (await second).refusal is Refusal.NONE


async def test_a_forged_signature_is_answered_and_spoils_nothing():
    async with running(SequencerConfig(burst=1)) as made:
        good = envelope(NODE, node_call(NODE), GENESIS, "a", START + 60)
        for forged in (
            replace(good, signature=Signature(bytes(65))),
            replace(good, signature=SEQUENCER.sign(bytes(32))),
            replace(good, sender=Address(b"\1" * 20)),
        ):
            outcome = await made.sequencer.submit(forged)
            assert (outcome.refusal, outcome.height) == (Refusal.BAD_SIGNATURE, 0)
        assert made.ledger.head.height == 0
        assert (await made.sequencer.submit(good)).refusal is Refusal.NONE


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"deadline": START - 1}, Refusal.EXPIRED),
        ({"deadline": START + 601}, Refusal.EXPIRED),
        ({"start": genesis("other")}, Refusal.WRONG_DEPLOYMENT),
        ({"call": UpdateNode(operator="o" * (1 << 20))}, Refusal.TOO_LARGE),
    ],
)
async def test_what_cannot_be_taken_is_answered_at_once_and_is_in_no_block(change, refusal):
    values = {"call": node_call(NODE), "start": GENESIS, "deadline": START + 60} | change
    async with running() as made:
        outcome = await made.sequencer.submit(
            envelope(NODE, values["call"], values["start"], "a", values["deadline"])
        )
        assert (outcome.refusal, outcome.height) == (refusal, 0)
        assert outcome.reason
        assert made.ledger.head.height == 0


async def test_a_malformed_call_is_answered_and_is_in_no_block():
    async with running() as made:
        good = envelope(NODE, node_call(NODE), GENESIS, "a", START + 60)
        junk = replace(good, call=b"\xff\xff")
        junk = replace(junk, signature=NODE.sign(envelope_digest(junk)))
        outcome = await made.sequencer.submit(junk)
        assert (outcome.refusal, outcome.height) == (Refusal.MALFORMED, 0)
        assert block(made.ledger, 1).transactions == ()


# ---------------------------------------------------------------- time


async def test_ticks_keep_time_moving():
    clock = FakeClock(START)
    async with running(clock=clock) as made:
        await clock.advance(35)
        assert made.ledger.head.height == 3
        assert made.ledger.head.time == START + 30


async def test_ticks_are_a_tenth_of_a_short_epoch():
    parameters = Parameters(start=START, epoch=5, retention=3600)
    clock = FakeClock(START)
    async with running(clock=clock, start=genesis(parameters=parameters)) as made:
        await clock.advance(5.1)
        assert made.ledger.head.height == 10


async def test_a_call_puts_the_tick_off():
    clock = FakeClock(START)
    async with running(clock=clock) as made:
        await clock.advance(8)
        await made.submit(NODE, node_call(NODE), "a")
        await clock.advance(8)
        assert made.ledger.head.height == 1
        await clock.advance(3)
        assert made.ledger.head.height == 2


async def test_time_never_goes_back():
    clock = FakeClock(START)
    async with running(clock=clock) as made:
        await clock.advance(30)
        clock.jump(-3600)
        await clock.advance(30)
        await made.submit(NODE, node_call(NODE), "a")
        times = [
            block(made.ledger, height).header.time
            for height in range(1, made.ledger.head.height + 1)
        ]
        assert times == sorted(times)
        assert times[-1] == START + 30
        assert len(times) >= 6


# ---------------------------------------------------------------- limits


async def test_a_sender_over_its_rate_has_to_wait_and_no_other_has():
    clock = FakeClock(START)
    config = SequencerConfig(calls_per_second=2, burst=3)
    other = NamedKey("other")
    async with running(config, clock=clock) as made:
        for n in range(3):
            await made.submit(NODE, Heartbeat(NODE.node), str(n))
        with pytest.raises(OverloadedError, match=NODE.address.hex()):
            await made.submit(NODE, Heartbeat(NODE.node), "3")
        await made.submit(NODE, Heartbeat(NODE.node), "2")  # known already: free
        await made.submit(other, node_call(other), "a")
        await clock.advance(0.5)
        await made.submit(NODE, Heartbeat(NODE.node), "3")
        with pytest.raises(OverloadedError):
            await made.submit(NODE, Heartbeat(NODE.node), "4")


async def test_nobody_saves_up_more_than_a_burst():
    clock = FakeClock(START)
    config = SequencerConfig(calls_per_second=2, burst=3)
    async with running(config, clock=clock) as made:
        await made.submit(NODE, Heartbeat(NODE.node), "0")
        await clock.advance(1.4)
        for n in range(1, 4):
            await made.submit(NODE, Heartbeat(NODE.node), str(n))
        with pytest.raises(OverloadedError):
            await made.submit(NODE, Heartbeat(NODE.node), "4")


async def test_senders_who_could_burst_are_forgotten():
    clock = FakeClock(START)
    async with running(SequencerConfig(burst=10), clock=clock) as made:
        for n in range(20):
            key = NamedKey(f"n{n}")
            await made.submit(key, node_call(key), "a")
        await clock.advance(10)
        await made.submit(NODE, node_call(NODE), "a")
        assert len(made.sequencer._limit._buckets) == 1


@pytest.mark.parametrize(
    "config", [SequencerConfig(waiting=5), SequencerConfig(waiting_per_sender=5)]
)
async def test_what_waits_is_bounded(config):
    kv = SlowKeyValue()
    async with running(config, kv=kv) as made:
        kv.may_write.clear()
        calls = [
            asyncio.create_task(made.submit(NODE, Heartbeat(NODE.node), str(n))) for n in range(5)
        ]
        await settle()
        with pytest.raises(OverloadedError, match="5 calls wait"):
            await made.submit(NODE, Heartbeat(NODE.node), "5")
        kv.may_write.set()
        await asyncio.gather(*calls)
        await made.submit(NODE, Heartbeat(NODE.node), "5")
        assert not made.sequencer._senders


# ---------------------------------------------------------------- the end


async def test_who_waits_when_it_stops_is_told_to_try_again():
    kv = SlowKeyValue()
    async with running(kv=kv) as made:
        kv.may_write.clear()
        call = asyncio.create_task(made.submit(NODE, node_call(NODE), "a"))
        await settle()
        await made.stop()
        with pytest.raises(UnavailableError, match="send it again"):
            await call
        with pytest.raises(UnavailableError, match="has stopped"):
            await made.submit(NODE, node_call(NODE), "b")


async def test_a_failed_write_ends_it():
    kv = SlowKeyValue()
    async with running(kv=kv) as made:
        kv.fails = True
        call = asyncio.create_task(made.submit(NODE, node_call(NODE), "a"))
        with pytest.raises(UnavailableError, match="the disk failed"):
            await made.task
        with pytest.raises(UnavailableError, match="send it again"):
            await call
