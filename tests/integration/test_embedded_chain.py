"""The embedded chain between real servers, on real disks."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest

from xdb.blockchain.embedded.backend import EmbeddedChain
from xdb.blockchain.embedded.config import FollowerConfig, SequencerConfig
from xdb.blockchain.embedded.genesis import read_genesis
from xdb.blockchain.embedded.opening import open_ledger
from xdb.blockchain.embedded.promotion import check_promotion
from xdb.blockchain.embedded.remote import RemoteRegistry
from xdb.blockchain.embedded.sequencer import Sequencer
from xdb.blockchain.embedded.server import LedgerPeer
from xdb.errors import ConfigError, InvalidRequestError, OverloadedError, RefusedCallError
from xdb.index.index import Index
from xdb.model.calls import Heartbeat, UpdateNode
from xdb.model.refusal import Refusal
from xdb.model.registry import Endpoint, Parameters
from xdb.pb import chain_pb2, registry_pb2
from xdb.peer.certificates import make_certificate
from xdb.peer.chain import SUBMIT, GrpcChainPeers
from xdb.peer.connections import Connections
from xdb.rpc.chain import chain_service
from xdb.rpc.limits import Limits, Planes
from xdb.rpc.server import ServerSettings, serve
from xdb.runtime.clock import SystemClock
from xdb.runtime.compute import LocalCompute
from xdb.runtime.entropy import SystemEntropy
from xdb.runtime.follower import Follower
from xdb.runtime.logging import logger
from xdb.store.kv import open_kv
from xdb.testing.embedded import SEQUENCER, block, envelope, genesis
from xdb.testing.keys import NamedKey
from xdb.testing.registry import node_call

NODE = NamedKey("node")
CLOCK = SystemClock()
FAST = FollowerConfig(silence=1.0, compare=0.2, pause=0.05, longest_pause=0.2)


class Net:
    """Chain servers and followers in one process, each with a directory and a port of its own."""

    def __init__(self, directory, stack, kind):
        self.directory = directory
        self.kind = kind
        now = int(CLOCK.wall())
        parameters = Parameters(start=now, epoch=5, retention=3600)
        self.genesis = replace(genesis(parameters=parameters), time=now)
        self.compute = LocalCompute(1)
        self._stack = stack

    async def ledger(self, name):
        kv = open_kv(self.directory / name, self.kind)
        self._stack.callback(kv.close)
        return await open_ledger(kv, self.genesis, self.compute)

    def peer(self, endpoint):
        return GrpcChainPeers(self.connections).peer(endpoint)

    async def follower(self, name, *endpoints):
        peers = [self.peer(endpoint) for endpoint in endpoints]
        return EmbeddedChain(await self.ledger(name), peers, CLOCK, FAST)

    @asynccontextmanager
    async def serving(self, ledger, sequencer=None):
        limits = Limits()
        settings = ServerSettings(
            "127.0.0.1:0", certificate := make_certificate(), CLOCK, SystemEntropy(), limits
        )
        service = chain_service(LedgerPeer(ledger, sequencer))
        async with serve(settings, [service], Planes(limits)) as port:
            yield Endpoint(f"127.0.0.1:{port}", certificate.fingerprint)


@asynccontextmanager
async def running(*works):
    tasks = [asyncio.create_task(work.run()) for work in works]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture(params=["leveldb", "sqlite"])
async def net(request, tmp_path):
    if request.param == "leveldb":
        pytest.importorskip("plyvel")
    async with AsyncExitStack() as stack, asyncio.timeout(60):
        made = Net(tmp_path, stack, request.param)
        stack.callback(made.compute.close)
        made.connections = Connections()
        stack.push_async_callback(made.connections.close)
        yield made


async def test_calls_go_up_and_blocks_come_down(net):
    source = await net.ledger("sequencer")
    sequencer = Sequencer(source, SEQUENCER, CLOCK)
    async with net.serving(source, sequencer) as endpoint:
        one, two = [await net.follower(name, endpoint) for name in ("one", "two")]
        index = Index(open_kv(net.directory / "index", net.kind), one.parameters, one.deployment)
        feed = Follower("index", one.events(), index, CLOCK, logger("test"))
        async with running(sequencer, one, two, feed):
            registry = one.registry(NODE, SystemEntropy())
            await registry.submit(node_call(NODE))
            included = await registry.submit(Heartbeat(NODE.node))
            assert one.head.height >= included.height
            await index.settled(included.height)
            assert index.node(NODE.node).last_heartbeat == included.time
            with pytest.raises(RefusedCallError) as refused:
                await registry.submit(node_call(NODE))
            assert refused.value.refusal == Refusal.NODE_EXISTS
            keys = [NamedKey(f"n{n}") for n in range(30)]
            await asyncio.gather(
                *(two.registry(key, SystemEntropy()).submit(node_call(key)) for key in keys)
            )
            await index.reached(source.head.height)
            assert len(index.nodes()) == 31
            await two.ledger.reached(source.head.height + 1)  # a tick
        index._kv.close()


async def test_a_newcomer_needs_only_the_genesis_and_a_server(net):
    source = await net.ledger("sequencer")
    await source.extend(net.genesis.time, [], SEQUENCER)
    async with net.serving(source) as endpoint:
        peer = net.peer(endpoint)
        assert read_genesis((await peer.genesis()).decode()) == net.genesis
        assert await peer.head() == source.head


async def test_followers_serve_blocks_but_take_no_calls(net):
    source = await net.ledger("sequencer")
    sequencer = Sequencer(source, SEQUENCER, CLOCK)
    async with net.serving(source, sequencer) as first:
        middle = await net.follower("middle", first)
        async with net.serving(middle.ledger) as second:
            last = await net.follower("last", second)
            async with running(sequencer, middle, last):
                caller = EmbeddedChain(
                    last.ledger, [net.peer(second), net.peer(first)], CLOCK, FAST
                )
                included = await caller.registry(NODE, SystemEntropy()).submit(node_call(NODE))
                assert last.ledger.events(included.height).events


async def test_calls_go_up_without_a_ledger_of_ones_own(net):
    source = await net.ledger("sequencer")
    sequencer = Sequencer(source, SEQUENCER, CLOCK)
    async with net.serving(source, sequencer) as endpoint, running(sequencer):
        peers = [net.peer(endpoint)]
        registry = RemoteRegistry(net.genesis, peers, NODE, CLOCK, SystemEntropy())
        assert (await registry.node(NODE.node)).record is None
        await registry.submit(node_call(NODE))
        assert (await registry.node(NODE.node)).record.operator == NODE.name
        with pytest.raises(InvalidRequestError, match="node has 3 bytes, 20 belong there"):
            await peers[0].node(b"abc")


async def test_a_promoted_follower_carries_on_and_so_do_the_others(net):
    source = await net.ledger("sequencer")
    sequencer = Sequencer(source, SEQUENCER, CLOCK)
    async with AsyncExitStack() as lost:
        first = await lost.enter_async_context(net.serving(source, sequencer))
        heir = await net.follower("heir", first)
        async with running(heir, sequencer):
            included = await heir.registry(NODE, SystemEntropy()).submit(node_call(NODE))
        # The sequencer's machine is lost.
        with pytest.raises(ConfigError, match="sequencer's key"):
            check_promotion(heir.ledger, NODE, [])
        check_promotion(heir.ledger, SEQUENCER, [], forced=source.head != heir.ledger.head)
        successor = Sequencer(heir.ledger, SEQUENCER, CLOCK)
        async with net.serving(heir.ledger, successor) as second:
            other = await net.follower("other", second, first)
            async with running(successor, other):
                beat = await other.registry(NODE, SystemEntropy()).submit(Heartbeat(NODE.node))
                assert beat.height > included.height
                assert other.ledger.block(included.height) == source.block(included.height)


async def test_two_sequencers_on_copies_of_one_chain_are_found_out(net):
    source, copy = await net.ledger("sequencer"), await net.ledger("copy")
    await source.extend(net.genesis.time, [], SEQUENCER)
    await copy.append(source.block(1))
    one, two = Sequencer(source, SEQUENCER, CLOCK), Sequencer(copy, SEQUENCER, CLOCK)
    async with net.serving(source, one) as first, net.serving(copy, two) as second:
        follower = await net.follower("follower", first, second)
        async with running(one, two, follower) as (_, _, following):
            key = NamedKey("other")
            await net.peer(first).submit(_envelope(net, NODE, node_call(NODE)))
            await net.peer(second).submit(_envelope(net, key, node_call(key)))
            failure = await asyncio.gather(following, return_exceptions=True)
            assert "signed two blocks 2" in str(failure[0])


async def test_what_does_not_belong_here_is_refused_in_words(net):
    source = await net.ledger("sequencer")
    slow = SequencerConfig(calls_per_second=0.001, burst=20)
    sequencer = Sequencer(source, SEQUENCER, CLOCK, slow)
    async with net.serving(source, sequencer) as endpoint, running(sequencer):
        peer = net.peer(endpoint)
        large = await peer.submit(_envelope(net, NODE, UpdateNode(operator="o" * (1 << 20))))
        assert (large.refusal, large.height) == (Refusal.TOO_LARGE, 0)
        with pytest.raises(InvalidRequestError, match=r"Envelope.chain: 0 bytes"):
            await peer.party.ask(SUBMIT, registry_pb2.Envelope(version=1), chain_pb2.Inclusion, 5.0)
        beats = [_envelope(net, NODE, Heartbeat(NODE.node), f"b{n}") for n in range(40)]
        answers = []
        for start in range(0, len(beats), 20):
            answers += await asyncio.gather(
                *(peer.submit(beat) for beat in beats[start : start + 20]), return_exceptions=True
            )
        assert any(isinstance(answer, OverloadedError) for answer in answers)
        assert not any(
            isinstance(answer, Exception) and not isinstance(answer, OverloadedError)
            for answer in answers
        )


async def test_a_flipped_block_from_a_server_changes_nothing(net):
    source = await net.ledger("sequencer")
    await source.extend(net.genesis.time, [], SEQUENCER)
    fake = await net.ledger("fake")
    forged = block(net.genesis, 1, net.genesis.deployment.chain, key=NODE)
    await fake._kv.write({b"b" + (1).to_bytes(8, "big"): forged}, sync=True)
    fake._head = source._head
    async with net.serving(fake) as bad, net.serving(source) as good:
        follower = await net.follower("follower", bad, good)
        async with running(follower):
            await follower.ledger.reached(1)
            assert follower.ledger.head == source.head
            assert "not signed by the sequencer" in follower.state.trouble[0]


def _envelope(net, key, call, name="a"):
    return envelope(key, call, net.genesis, name, int(CLOCK.wall()) + 60)
