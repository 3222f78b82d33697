import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from xdb.blockchain.embedded.remote import RemoteRegistry
from xdb.blockchain.embedded.sequencer import Sequencer
from xdb.blockchain.embedded.server import LedgerPeer
from xdb.errors import (
    AuthError,
    IntegrityError,
    RefusedCallError,
    TimeoutExpiredError,
    UnavailableError,
)
from xdb.model.calls import SetNodeState
from xdb.model.refusal import Refusal
from xdb.model.registry import NodeState
from xdb.testing.clock import FakeClock, settle
from xdb.testing.embedded import SEQUENCER, FaultyPeer, genesis, ledger
from xdb.testing.entropy import SeededEntropy
from xdb.testing.keys import NamedKey
from xdb.testing.registry import START, node_call

GENESIS = genesis()
NODE = NamedKey("node")
DRAIN = SetNodeState(NodeState.DRAINING)


class Net:
    """A sequencer, and whoever sends to it without a ledger."""

    def __init__(self, source):
        self.clock = FakeClock(START)
        self.sequencer = Sequencer(source, SEQUENCER, self.clock)
        self.source = LedgerPeer(source, self.sequencer)
        self.entropy = SeededEntropy()

    def registry(self, *peers):
        return RemoteRegistry(GENESIS, peers or [self.source], NODE, self.clock, self.entropy)


@asynccontextmanager
async def net():
    async with asyncio.timeout(20):
        made = Net(await ledger(GENESIS))
        task = asyncio.create_task(made.sequencer.run())
        yield made
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Lying:
    """A server that answers for another call than the one it was given."""

    def __init__(self, peer):
        self.node = peer.node
        self._peer = peer

    async def submit(self, envelope):
        return replace(await self._peer.submit(envelope), transaction=bytes(32))


class Stranger:
    """Not the server whose certificate is known."""

    async def node(self, _node):
        raise AuthError("another certificate")


async def test_a_call_takes_effect_and_is_seen():
    async with net() as made:
        registry = made.registry()
        assert (await registry.node(NODE.node)).record is None
        included = await registry.submit(node_call(NODE))
        assert included.height == 1
        await registry.submit(DRAIN)
        found = await registry.node(NODE.node)
        assert (found.height, found.record.state) == (2, NodeState.DRAINING)


async def test_a_lost_answer_does_not_make_a_call_take_effect_twice():
    async with net() as made:
        peer = FaultyPeer(made.source, answers_lost=2)
        task = asyncio.create_task(made.registry(peer).submit(node_call(NODE)))
        await made.clock.advance(5)
        assert (await task).height == 1
        assert made.source.ledger.head.height == 1
        assert peer.calls == 3


async def test_a_refusal_is_raised_in_the_chains_words():
    async with net() as made:
        with pytest.raises(RefusedCallError, match="not registered") as caught:
            await made.registry().submit(DRAIN)
        assert caught.value.refusal == Refusal.NODE_UNKNOWN


async def test_an_answer_about_another_call_is_not_believed():
    async with net() as made:
        with pytest.raises(IntegrityError, match="do not trust this server"):
            await made.registry(Lying(made.source)).submit(node_call(NODE))


async def test_the_server_that_has_come_furthest_is_believed():
    async with net() as made:
        behind = LedgerPeer(await ledger(GENESIS))
        down = FaultyPeer(made.source, up=False)
        registry = made.registry(behind, down, made.source)
        await registry.submit(node_call(NODE))
        assert (await registry.node(NODE.node)).record.node == NODE.node


async def test_without_any_server():
    async with net() as made:
        down = FaultyPeer(made.source, up=False)
        with pytest.raises(UnavailableError, match=r"no chain server answers \(this server is"):
            await made.registry(down).submit(DRAIN)


async def test_the_wrong_server_is_told_apart_from_none():
    async with net() as made:
        with pytest.raises(AuthError, match="another certificate"):
            await made.registry(Stranger()).node(NODE.node)


async def test_no_answer_says_until_when_the_call_may_take_effect():
    async with net() as made:
        peer = FaultyPeer(made.source, answers_lost=10**6)
        task = asyncio.create_task(made.registry(peer).submit(node_call(NODE)))
        await settle()
        await made.clock.advance(100)
        with pytest.raises(TimeoutExpiredError, match="look again then"):
            await task
