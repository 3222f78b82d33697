"""What the chain's ports promise, on simulated chains of every personality, in bad weather."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import structlog

from xdb.errors import RefusedCallError, UnavailableError
from xdb.index.index import Index
from xdb.index.keys import FINAL, UNDO
from xdb.model.calls import Heartbeat, RevealSeed, SetNodeState
from xdb.model.events import HeartbeatSeen, NodeRegistered, SeedRevealed
from xdb.model.refusal import Refusal
from xdb.model.registry import NodeState, Parameters
from xdb.ports.blockchain import BlockEvents, Final, Rollback
from xdb.runtime.follower import Follower
from xdb.store.kv_memory import MemoryKeyValue
from xdb.testing.audits import preimage
from xdb.testing.chain import MemoryChain
from xdb.testing.entropy import SeededEntropy
from xdb.testing.keys import NamedKey
from xdb.testing.registry import node_call
from xdb.testing.simulation.chains import CHAIN_STATES
from xdb.testing.simulation.chains.ethereum import EthereumChain, EthereumConfig
from xdb.testing.simulation.chains.fabric import FabricChain, FabricConfig
from xdb.testing.simulation.chains.immediate import ImmediateChain
from xdb.testing.simulation.chains.notes import Notes
from xdb.testing.simulation.chains.view import Sight
from xdb.testing.simulation.clock import START, SimulatedClock
from xdb.testing.simulation.run import run

PERSONALITIES = ("immediate", "ethereum", "fabric")
SIGHT = Sight(lag=6.0, stalls=24, cuts=24, trouble=200.0)
STORMS = {
    "ethereum": EthereumConfig(missed=32, later=96, dropped=24, reorganised=40, sight=SIGHT),
    "fabric": FabricConfig(elections=16, lost=24, status=48, sight=SIGHT),
}
PARAMETERS = Parameters(start=int(START), epoch=600, beacons=(preimage(-1),))
NODES = 4
BEATS = 6


def storm(personality, simulation, clock):
    """A chain on which everything goes wrong often."""
    draw, notes = simulation.tape.stream("chain"), Notes(simulation)
    match personality:
        case "immediate":
            return ImmediateChain(MemoryChain(PARAMETERS, clock, lag=3), clock)
        case "ethereum":
            return EthereumChain(PARAMETERS, clock, draw, notes, STORMS["ethereum"])
        case _:
            return FabricChain(PARAMETERS, clock, draw, notes, STORMS["fabric"])


class Node:
    """A node with nothing but the chain: its index is fed by what it sees."""

    def __init__(self, bench, name):
        self.key = NamedKey(name)
        self.clock = bench.clock
        self.backend = bench.chain.backend(name, bench.clock)
        self.registry = self.backend.registry(self.key, SeededEntropy(name))
        self.kv = MemoryKeyValue()
        self.index = Index(self.kv, PARAMETERS)
        self.done, self.unknown, self.refused = Counter(), Counter(), Counter()
        log = structlog.get_logger()
        follower = Follower(name, self.backend.events(), self.index, bench.clock, log)
        self.tasks = [
            asyncio.create_task(self.backend.run()),
            asyncio.create_task(follower.run()),
        ]

    async def send(self, call, *refusals):
        """Sends a call until it is known to have taken effect, once or more."""
        kind = type(call)
        while True:
            try:
                included = await self.registry.submit(call)
            except UnavailableError:
                self.unknown[kind] += 1
                await self.clock.sleep(20.0)
            except RefusedCallError as error:
                if error.refusal not in refusals:
                    raise
                self.refused[kind] += 1
                return None
            else:
                self.done[kind] += 1
                return included

    async def live(self, bench):
        """Everything that nodes say, and seeds, in a race for each."""
        await self.send(node_call(self.key), Refusal.NODE_EXISTS)
        for beat in range(BEATS):
            await self.send(Heartbeat(self.key.node), Refusal.NODE_UNKNOWN)
            state = NodeState.DRAINING if beat % 2 else NodeState.ONLINE
            await self.send(SetNodeState(state), Refusal.NODE_STATE, Refusal.NODE_UNKNOWN)
            epoch = PARAMETERS.epoch_at(bench.chain.time)
            await self.send(RevealSeed(epoch, (preimage(epoch),)), Refusal.SEED, Refusal.EPOCH)
            await self.clock.sleep(100.0)


class Bench:
    """A chain and its nodes, and time that passes."""

    def __init__(self, simulation, personality):
        self.clock = SimulatedClock(simulation.loop)
        self.chain = storm(personality, simulation, self.clock)
        self.nodes = []
        self.tasks = [
            asyncio.create_task(self.chain.run()),
            asyncio.create_task(self._tick()),
        ]

    def node(self, name):
        self.nodes.append(Node(self, name))
        return self.nodes[-1]

    async def settle(self):
        """Everything becomes final, and everybody sees it."""
        self.chain.heal()
        for _ in range(60):
            await self.clock.sleep(60.0)
        self.tasks[1].cancel()  # no more blocks
        await self.clock.sleep(100.0)

    async def blocks(self, after=0):
        """The blocks above a height as they are in the end."""
        found, last = [], self.chain.head
        async for item in self.chain.backend("reader", self.clock).events().follow(after):
            match item:
                case BlockEvents():
                    found.append(item)
                case Rollback(height):
                    found = [block for block in found if block.height <= height]
                case Final():
                    pass
            if found and found[-1].height >= last.height:
                return found
        raise AssertionError("the history ended")

    async def _tick(self):
        while True:
            await self.clock.sleep(60.0)
            self.chain.tick()

    async def close(self):
        tasks = [*self.tasks, *(task for node in self.nodes for task in node.tasks)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def benched(simulation, personality):
    async with AsyncExitStack() as stack:
        bench = Bench(simulation, personality)
        stack.push_async_callback(bench.close)
        yield bench


def surviving(kv):
    return {k: v for k, v in kv.scan(b"") if not k.startswith(UNDO) and k != FINAL}


def counted(blocks, kind):
    return Counter(e.node for block in blocks for e in block.events if isinstance(e, kind))


async def storming(simulation, personality):
    """Nodes that live, and what they and the chain came to."""
    async with benched(simulation, personality) as bench:
        nodes = [bench.node(f"node-{number}") for number in range(NODES)]
        await asyncio.gather(*(node.live(bench) for node in nodes))
        rollbacks = sum(node.index.rollbacks for node in nodes)
        await bench.settle()
        whole = await bench.blocks()
        await check(bench, nodes, whole)
        return rollbacks, sum(node.unknown.total() for node in nodes), len(whole)


async def check(bench, nodes, whole):
    """Everything that the ports promise."""
    assert [block.height for block in whole] == list(range(1, len(whole) + 1))
    assert [block.time for block in whole] == sorted(block.time for block in whole)
    for after in range(0, len(whole) - 1, 7):
        assert await bench.blocks(after) == whole[after:]
    registered, beats = counted(whole, NodeRegistered), counted(whole, HeartbeatSeen)
    for node in nodes:
        assert registered[node.key.node] == 1
        # Whatever was said to have taken effect did, once; what was not known, at most once.
        most = node.done[Heartbeat] + node.unknown[Heartbeat] + node.refused[Heartbeat]
        assert node.done[Heartbeat] <= beats[node.key.node] <= most
    seeds = [e.epoch for block in whole for e in block.events if isinstance(e, SeedRevealed)]
    assert seeds == sorted(set(seeds))
    assert seeds
    fresh = Index(kv := MemoryKeyValue(), PARAMETERS)
    for block in whole:
        await fresh.apply(block)
    for node in nodes:
        assert node.index.head.height == len(whole)
        assert surviving(node.kv) == surviving(kv)
        assert not node.index.poisoned


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("personality", PERSONALITIES)
def test_what_takes_effect_does_so_once_and_every_index_is_what_survives(personality, seed):
    run(seed, lambda simulation: storming(simulation, personality))


@pytest.mark.parametrize("personality", PERSONALITIES)
def test_the_same_seed_is_the_same_storm(personality):
    def play(seed):
        return run(seed, lambda simulation: storming(simulation, personality))

    assert play(3) == play(3)
    if personality != "immediate":  # where nothing is drawn but the order of work
        assert play(4).reached == play(4).reached
    assert play(4).trace != play(3).trace


KNOWN_TO = {
    "ethereum": [
        state for state in CHAIN_STATES
        if state.startswith(("a reorg", "undone", "a call", "a transaction", "a slot", "a node's"))
        and not state.endswith(("publish", "move", "deletion", "proof"))
    ],
    "fabric": [
        "a node's view stood still",
        "a node's view failed",
        "an MVCC conflict was started over",
        "a commit status was lost",
        "an envelope was sent again",
        "an envelope was sent twice and took effect once",
    ],
}  # fmt: skip


@pytest.mark.parametrize("personality", KNOWN_TO)
def test_what_can_go_wrong_does(personality):
    reached = Counter()
    for seed in range(20, 40):
        outcome = run(
            seed, lambda simulation: storming(simulation, personality), states=CHAIN_STATES
        )
        reached.update(outcome.reached)
        if all(reached[state] for state in KNOWN_TO[personality]):
            return
    raise AssertionError([state for state in KNOWN_TO[personality] if not reached[state]])


def test_nodes_see_different_heads_and_take_blocks_back():
    outcomes = [run(seed, lambda s: storming(s, "ethereum")) for seed in range(3)]
    assert all(outcome.result[0] for outcome in outcomes)
    assert any(outcome.result[1] for outcome in outcomes)


@pytest.mark.parametrize("personality", PERSONALITIES)
def test_a_refused_call_says_why_and_changes_nothing(personality):
    async def main(simulation):
        async with benched(simulation, personality) as bench:
            bench.chain.heal()
            node = bench.node("node")
            with pytest.raises(RefusedCallError) as refused:
                await node.registry.submit(Heartbeat(node.key.node))
            assert refused.value.refusal == Refusal.NODE_UNKNOWN
            included = await node.registry.submit(node_call(node.key))
            await node.index.reached(included.height)
            assert node.index.node(node.key.node) is not None
            assert node.index.head.time >= included.time
            assert [type(e) for b in await bench.blocks() for e in b.events] == [NodeRegistered]

    run(0, main)


@pytest.mark.parametrize("personality", ["ethereum", "fabric"])
def test_who_is_cut_off_is_told_and_comes_back(personality):
    async def main(simulation):
        async with benched(simulation, personality) as bench:
            bench.chain.heal()
            node, other = bench.node("node"), bench.node("other")
            await node.registry.submit(node_call(node.key))
            assert bench.chain.cut("node", 500.0)
            assert not bench.chain.cut("nobody", 500.0)
            with pytest.raises(UnavailableError):
                await node.registry.submit(Heartbeat(node.key.node))
            with pytest.raises(UnavailableError):
                await node.backend.tip()
            included = await other.registry.submit(node_call(other.key))
            await bench.clock.sleep(100.0)
            assert node.index.node(other.key.node) is None
            await node.index.reached(included.height)
            assert 400 < bench.clock.monotonic() < 700
            assert node.index.node(other.key.node) is not None

    run(0, main)


@pytest.mark.parametrize("personality", ["ethereum", "fabric"])
def test_whose_view_stands_still_hears_nothing_and_no_error(personality):
    async def main(simulation):
        async with benched(simulation, personality) as bench:
            bench.chain.heal()
            node, other = bench.node("node"), bench.node("other")
            await bench.clock.sleep(30.0)
            assert bench.chain.stall("node", 500.0)
            before = await node.backend.tip()
            await other.registry.submit(node_call(other.key))
            assert await node.backend.tip() == before
            await bench.clock.sleep(600.0)
            assert node.index.node(other.key.node) is not None

    run(0, main)
