import asyncio
from contextlib import asynccontextmanager

import pytest

from xdb.blockchain.embedded.backend import EmbeddedChain
from xdb.blockchain.embedded.server import LedgerPeer
from xdb.errors import ConfigError, IntegrityError, UnavailableError
from xdb.model.ids import Digest
from xdb.ports.peer import RemoteHead
from xdb.testing.clock import FakeClock, settle
from xdb.testing.embedded import SEQUENCER, FaultyPeer, block, genesis, ledger
from xdb.testing.entropy import SeededEntropy
from xdb.testing.keys import NamedKey
from xdb.testing.registry import START, node_call

GENESIS = genesis()
NODE = NamedKey("node")


class StrangePeer:
    """Serves what it is given, and claims a head."""

    def __init__(self, *blocks, head=None):
        self._blocks = blocks
        self._head = head or RemoteHead(0, Digest(bytes(32)), 0)
        self.asked = []

    async def submit(self, envelope):  # noqa: ARG002
        raise UnavailableError("takes no calls")

    async def blocks(self, start):
        self.asked.append(start)
        for data in self._blocks:
            yield data

    async def head(self):
        return self._head


async def source_of(blocks, *, time=START):
    made = await ledger(GENESIS)
    for _ in range(blocks):
        await made.extend(time, [], SEQUENCER)
    return made


@asynccontextmanager
async def following(*peers, clock=None, own=None):
    """A node that follows these servers; its task may end by itself."""
    clock = clock or FakeClock(START)
    chain = EmbeddedChain(own or await ledger(GENESIS), peers, clock)
    task = asyncio.create_task(chain.run())
    async with asyncio.timeout(20):
        await settle()
        yield chain, clock, task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_it_needs_somebody_to_follow():
    with pytest.raises(ConfigError, match="name at least one"):
        EmbeddedChain(await ledger(GENESIS), [], FakeClock())


async def test_it_catches_up_and_keeps_up():
    source = await source_of(5)
    async with following(LedgerPeer(source)) as (chain, _, _):
        assert chain.head.height == 5
        await source.extend(START + 1, [], SEQUENCER)
        await settle()
        assert chain.ledger.head == source.head


async def test_it_leaves_a_server_that_is_down_and_comes_back_to_it():
    source = await source_of(3)
    first, second = FaultyPeer(LedgerPeer(source), up=False), FaultyPeer(LedgerPeer(source))
    async with following(first, second) as (chain, clock, _):
        assert chain.head.height == 3
        assert "switched off" in chain.state.trouble[0]
        second.up = False
        await source.extend(START + 1, [], SEQUENCER)
        await settle()
        assert chain.head.height == 3
        first.up = True
        await clock.advance(60)
        assert chain.head.height == 4
        assert 0 not in chain.state.trouble


async def test_it_leaves_a_server_that_falls_silent():
    stuck, source = await source_of(2), await source_of(2)
    async with following(LedgerPeer(stuck), LedgerPeer(source)) as (chain, clock, _):
        await source.extend(START + 1, [], SEQUENCER)
        await settle()
        assert chain.head.height == 2
        await clock.advance(36)
        assert chain.head.height == 3


async def test_it_survives_when_nobody_answers_with_longer_and_longer_pauses():
    peer = FaultyPeer(LedgerPeer(await source_of(1)), up=False)
    async with following(peer) as (chain, clock, task):
        await clock.advance(1000)
        assert not task.done()
        peer.up = True
        await clock.advance(15)
        assert chain.head.height == 1


@pytest.mark.parametrize(
    "data",
    [
        b"junk",
        block(GENESIS, 1, Digest(GENESIS.deployment.chain), key=NODE),
        block(genesis("other"), 1, Digest(bytes(32))),
        block(GENESIS, 2, Digest(GENESIS.deployment.chain)),
    ],
    ids=["junk", "other signer", "other chain", "gap"],
)
async def test_what_the_sequencer_did_not_sign_is_the_servers_fault_alone(data):
    source = await source_of(3)
    async with following(StrangePeer(data), LedgerPeer(source)) as (chain, _, task):
        assert chain.head.height == 3
        assert chain.state.trouble[0]
        assert not task.done()


async def test_a_signed_block_that_breaks_the_rules_is_the_end():
    bad = block(GENESIS, 1, Digest(GENESIS.deployment.chain), writes=[(b"n/", b"x")])
    async with following(StrangePeer(bad)) as (chain, _, task):
        with pytest.raises(IntegrityError, match="leads to another state"):
            await task
        assert chain.head.height == 0


async def test_two_histories_are_noticed_when_another_server_is_asked():
    source, twin = await source_of(3), await source_of(2)
    await twin.extend(START + 1, [], SEQUENCER)
    await twin.extend(START + 1, [], SEQUENCER)
    async with following(LedgerPeer(source), LedgerPeer(twin)) as (chain, clock, task):
        await clock.advance(31)
        assert not task.done()  # the other is ahead: there is nothing to compare yet
        await source.extend(START + 2, [], SEQUENCER)
        await settle()
        await clock.advance(31)
        with pytest.raises(IntegrityError, match="signed two blocks 4"):
            await task
        assert chain.ledger.contradiction
        with pytest.raises(UnavailableError, match=r"no calls are sent.*signed two blocks"):
            await chain.registry(NODE, SeededEntropy()).submit(node_call(NODE))


async def test_two_histories_are_noticed_when_the_server_changes():
    own, twin = await source_of(3), await source_of(2)
    await twin.extend(START + 1, [], SEQUENCER)
    async with following(LedgerPeer(twin), own=own) as (_, _, task):
        with pytest.raises(IntegrityError, match="signed two blocks 3"):
            await task


async def test_a_server_that_claims_another_head_without_a_signature_is_not_believed():
    source = await source_of(3)
    liar = StrangePeer(
        block(GENESIS, 3, Digest(bytes(32)), key=NODE), head=RemoteHead(3, Digest(bytes(32)), START)
    )
    async with following(LedgerPeer(source), liar) as (chain, clock, task):
        await clock.advance(31)
        assert not task.done()
        assert "not signed by the sequencer" in chain.state.trouble[1]


async def test_a_block_ahead_of_the_clock_waits_and_nothing_is_sent_meanwhile():
    source = await source_of(1)
    await source.extend(START + 600, [], SEQUENCER)
    async with following(LedgerPeer(source)) as (chain, clock, _):
        assert chain.head.height == 1
        assert chain.state.ahead == START + 600
        with pytest.raises(UnavailableError) as caught:
            await chain.registry(NODE, SeededEntropy()).submit(node_call(NODE))
        assert str(START + 600) in str(caught.value)
        assert "set the clock" in str(caught.value)
        await clock.advance(569)
        assert chain.head.height == 1
        await clock.advance(2)
        assert chain.head.height == 2
        assert chain.state.ahead is None


async def test_a_clock_that_is_set_right_is_believed_at_once():
    source = await source_of(1, time=START + 600)
    async with following(LedgerPeer(source)) as (chain, clock, _):
        assert chain.state.ahead
        clock.jump(590)
        await clock.advance(1)
        assert chain.head.height == 1


async def test_a_block_a_little_ahead_is_taken():
    source = await source_of(1, time=START + 30)
    async with following(LedgerPeer(source)) as (chain, _, _):
        assert chain.head.height == 1
