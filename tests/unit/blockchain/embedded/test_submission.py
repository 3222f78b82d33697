import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from xdb.blockchain.embedded.backend import EmbeddedChain, local_registry
from xdb.blockchain.embedded.sequencer import Sequencer
from xdb.blockchain.embedded.server import LedgerPeer
from xdb.core.envelope import envelope_digest
from xdb.errors import (
    AuthError,
    IntegrityError,
    OverloadedError,
    RefusedCallError,
    TimeoutExpiredError,
    UnavailableError,
)
from xdb.model.calls import Heartbeat
from xdb.model.refusal import Refusal
from xdb.testing.clock import FakeClock, settle
from xdb.testing.embedded import SEQUENCER, FaultyPeer, genesis, ledger
from xdb.testing.entropy import SeededEntropy
from xdb.testing.keys import NamedKey
from xdb.testing.registry import START, node_call

GENESIS = genesis()
NODE = NamedKey("node")


class Lying:
    """A server that changes outcomes."""

    def __init__(self, peer, **changes):
        self._peer, self._changes = peer, changes

    async def submit(self, envelope):
        return replace(await self._peer.submit(envelope), **self._changes)


class Failing:
    """A server that always fails in the same way."""

    def __init__(self, error):
        self._error = error
        self.calls = 0

    async def submit(self, envelope):  # noqa: ARG002
        self.calls += 1
        raise self._error


class Net:
    """A sequencer and a node that follows it and submits through servers of the test's choice."""

    def __init__(self, source, own):
        self.clock = FakeClock(START)
        self.sequencer = Sequencer(source, SEQUENCER, self.clock)
        self.source = LedgerPeer(source, self.sequencer)
        self.chain = EmbeddedChain(own, [self.source], self.clock)
        self.entropy = SeededEntropy()

    def registry(self, *peers):
        chain = EmbeddedChain(self.chain.ledger, peers or [self.source], self.clock)
        return chain.registry(NODE, self.entropy)

    async def call(self, registry, call, seconds=0):
        """Submits while time passes."""
        task = asyncio.create_task(registry.submit(call))
        await settle()
        if seconds:
            await self.clock.advance(seconds)
        return await task


@asynccontextmanager
async def net(*, following=True):
    async with asyncio.timeout(20):
        made = Net(await ledger(GENESIS), await ledger(GENESIS))
        tasks = [asyncio.create_task(made.sequencer.run())]
        if following:
            tasks.append(asyncio.create_task(made.chain.run()))
        yield made
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def effects(made):
    """How many calls took effect."""
    heights = range(1, made.source.ledger.head.height + 1)
    return sum(len(made.source.ledger.events(height).events) for height in heights)


async def test_a_lost_answer_does_not_make_a_call_take_effect_twice():
    async with net() as made:
        peer = FaultyPeer(made.source, answers_lost=3)
        included = await made.call(made.registry(peer), node_call(NODE), 5)
        assert included.height == 1
        assert effects(made) == 1
        assert peer.calls <= 4


async def test_an_answer_that_never_comes_is_found_in_the_own_ledger():
    async with net() as made:
        peer = FaultyPeer(made.source, answers_lost=10**6)
        included = await made.call(made.registry(peer), node_call(NODE), 1)
        assert included.height == 1
        assert effects(made) == 1


async def test_the_next_server_is_asked_and_remembered():
    async with net() as made:
        down = Failing(UnavailableError("down"))
        registry = made.registry(down, LedgerPeer(made.chain.ledger), made.source)
        await made.call(registry, node_call(NODE))
        await made.call(registry, Heartbeat(NODE.node))
        assert down.calls == 1


async def test_a_server_that_comes_back_is_found():
    async with net() as made:
        peer = FaultyPeer(made.source, up=False)
        task = asyncio.create_task(made.registry(peer).submit(node_call(NODE)))
        await made.clock.advance(20)
        assert not task.done()
        peer.up = True
        await made.clock.advance(3)
        assert (await task).height


async def test_a_server_that_answers_nonsense_is_passed_over():
    async with net() as made:
        broken = Failing(IntegrityError("refusal 999"))
        included = await made.call(made.registry(broken, made.source), node_call(NODE))
        assert included.height == 1


async def test_when_nobody_answers_the_outcome_is_unknown():
    async with net() as made:
        with pytest.raises(TimeoutExpiredError, match="takes effect before chain time"):
            await made.call(made.registry(Failing(UnavailableError("down"))), node_call(NODE), 70)


async def test_an_overloaded_server_certainly_did_not_take_it():
    async with net() as made:
        with pytest.raises(OverloadedError, match="too many"):
            await made.call(
                made.registry(Failing(OverloadedError("too many"))), node_call(NODE), 70
            )


async def test_a_server_that_is_not_who_it_should_be_is_said_at_once():
    async with net() as made:
        peer = Failing(AuthError("another certificate"))
        with pytest.raises(AuthError, match="another certificate"):
            await made.call(made.registry(peer), node_call(NODE))
        assert peer.calls == 1


async def test_a_refusal_is_final():
    async with net() as made:
        peer = FaultyPeer(made.source)
        with pytest.raises(RefusedCallError) as caught:
            await made.call(made.registry(peer), Heartbeat(NODE.node))
        assert caught.value.refusal == Refusal.NODE_UNKNOWN
        assert "register it first" in str(caught.value)
        assert peer.calls == 1


async def test_a_node_that_is_behind_signs_again_with_a_later_deadline():
    async with net(following=False) as made:
        await made.clock.advance(700)
        task = asyncio.create_task(made.registry().submit(node_call(NODE)))
        await settle()
        height = made.source.ledger.head.height
        for number in range(1, height + 1):
            await made.chain.ledger.append(made.source.ledger.block(number))
        assert (await task).height == height
        assert effects(made) == 1


async def test_a_server_that_invents_an_inclusion_is_not_believed():
    async with net() as made:
        nowhere = Lying(made.source, refusal=Refusal.NONE, height=0)
        with pytest.raises(IntegrityError, match="and it is not"):
            await made.call(made.registry(nowhere), Heartbeat(NODE.node))
        liar = Lying(made.source, refusal=Refusal.NONE)
        with pytest.raises(RefusedCallError, match="not registered"):
            await made.call(made.registry(liar), Heartbeat(NODE.node))
        await made.clock.advance(25)
        elsewhere = Lying(made.source, height=1)
        with pytest.raises(IntegrityError, match="and it is not"):
            await made.call(made.registry(elsewhere), node_call(NODE))


async def test_an_inclusion_that_does_not_arrive_here_is_said_so():
    async with net(following=False) as made:
        with pytest.raises(TimeoutExpiredError, match="this node has got only to block 0"):
            await made.call(made.registry(), node_call(NODE), 70)


async def test_nonces_differ_and_deadlines_are_bounded():
    async with net() as made:
        sent = []

        class Recording:
            async def submit(self, envelope):
                sent.append(envelope)
                return await made.source.submit(envelope)

        registry = made.registry(Recording())
        await made.call(registry, node_call(NODE))
        await made.call(registry, Heartbeat(NODE.node))
        assert len({envelope.nonce for envelope in sent}) == 2
        assert {envelope.deadline for envelope in sent} == {START + 60}
        assert made.chain.ledger.outcome(envelope_digest(sent[1])).height == 2


async def test_the_sequencers_own_process_submits_without_a_network():
    async with net() as made:
        registry = local_registry(
            made.source.ledger, made.sequencer, NODE, made.clock, made.entropy
        )
        assert (await registry.submit(node_call(NODE))).height == 1
