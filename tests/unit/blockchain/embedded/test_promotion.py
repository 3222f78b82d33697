import asyncio

import pytest

from xdb.blockchain.embedded.backend import EmbeddedChain
from xdb.blockchain.embedded.promotion import check_promotion
from xdb.blockchain.embedded.sequencer import Sequencer
from xdb.blockchain.embedded.server import LedgerPeer
from xdb.errors import ConfigError, IntegrityError
from xdb.model.calls import Heartbeat
from xdb.ports.peer import RemoteHead
from xdb.testing.clock import FakeClock, settle
from xdb.testing.embedded import SEQUENCER, FaultyPeer, genesis, ledger
from xdb.testing.entropy import SeededEntropy
from xdb.testing.keys import NamedKey
from xdb.testing.registry import START, node_call

GENESIS = genesis()
NODE = NamedKey("node")


async def chain_of(blocks, *, time=START):
    made = await ledger(GENESIS)
    for _ in range(blocks):
        await made.extend(time, [], SEQUENCER)
    return made


async def test_a_follower_becomes_the_sequencer_and_the_others_carry_on():
    clock = FakeClock(START)
    first, second, third = [await ledger(GENESIS) for _ in range(3)]
    old = Sequencer(first, SEQUENCER, clock)
    server = FaultyPeer(LedgerPeer(first, old))
    heir = EmbeddedChain(second, [server], clock)
    promoted = FaultyPeer(LedgerPeer(second), up=True)
    other = EmbeddedChain(third, [server, promoted], clock)
    tasks = [asyncio.create_task(work.run()) for work in (old, heir, other)]
    async with asyncio.timeout(20):
        registry = other.registry(NODE, SeededEntropy())
        await registry.submit(node_call(NODE))

        server.up = False  # its disk is lost
        for task in tasks[:2]:
            task.cancel()
        await asyncio.gather(*tasks[:2], return_exceptions=True)
        head = third.head
        check_promotion(second, SEQUENCER, [head])
        new = Sequencer(second, SEQUENCER, clock)
        promoted.peer = LedgerPeer(second, new)
        tasks.append(asyncio.create_task(new.run()))

        beat = asyncio.create_task(registry.submit(Heartbeat(NODE.node)))
        await clock.advance(120)
        included = await beat
        assert included.height > head.height
        await settle()
        assert third.head == second.head
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_promotion_needs_the_sequencers_key():
    with pytest.raises(ConfigError, match="needs the sequencer's key"):
        check_promotion(await chain_of(1), NODE, [])


async def test_a_ledger_behind_a_known_server_is_refused_unless_forced():
    behind, ahead = await chain_of(2), await chain_of(3)
    with pytest.raises(ConfigError, match="catch up first"):
        check_promotion(behind, SEQUENCER, [ahead.head])
    check_promotion(behind, SEQUENCER, [ahead.head], forced=True)
    check_promotion(ahead, SEQUENCER, [behind.head, RemoteHead(0, ahead.head.block, 0)])


async def test_another_history_is_refused_even_when_forced():
    ours, theirs = await chain_of(2), await chain_of(2, time=START + 1)
    with pytest.raises(IntegrityError, match="which history holds"):
        check_promotion(ours, SEQUENCER, [theirs.head], forced=True)
    with pytest.raises(IntegrityError):
        await ours.append(theirs.block(2))
    with pytest.raises(IntegrityError, match="signed two blocks"):
        check_promotion(ours, SEQUENCER, [], forced=True)
