"""Slots, journals and reorganisations of the Ethereum-like chain, one at a time."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from xdb.core.rules.state import State
from xdb.errors import TimeoutExpiredError
from xdb.model.calls import Heartbeat
from xdb.model.events import HeartbeatSeen
from xdb.model.registry import Parameters
from xdb.testing.entropy import SeededEntropy
from xdb.testing.keys import NamedKey
from xdb.testing.registry import node_call
from xdb.testing.simulation.chains.ethereum import EthereumChain, EthereumConfig
from xdb.testing.simulation.chains.notes import Notes
from xdb.testing.simulation.chains.proposer import DEEPEST
from xdb.testing.simulation.chains.view import Sight
from xdb.testing.simulation.clock import START, SimulatedClock
from xdb.testing.simulation.run import run

NODE = NamedKey("node")
FAIR = EthereumConfig(missed=0, later=0, dropped=0, reorganised=0, sight=Sight(2.0, 0, 0))
DAY = 86400


@asynccontextmanager
async def going(simulation, pace=60.0):
    """A chain on which nothing happens by itself."""
    clock = SimulatedClock(simulation.loop)
    draw, notes = simulation.tape.stream("chain"), Notes(simulation)
    chain = EthereumChain(Parameters(start=int(START)), clock, draw, notes, FAIR)

    async def tick():
        while True:
            await clock.sleep(pace)
            chain.tick()

    tasks = [asyncio.create_task(chain.run()), asyncio.create_task(tick())]
    yield chain, clock
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Client:
    """One life of a node."""

    def __init__(self, chain, clock, name="node"):
        self.backend = chain.backend(name, clock)
        self.registry = self.backend.registry(NODE, SeededEntropy())
        self.running = asyncio.create_task(self.backend.run())

    async def end(self, *tasks):
        for task in (self.running, *tasks):
            task.cancel()
        await asyncio.gather(self.running, *tasks, return_exceptions=True)


def beats(chain):
    blocks = chain.branch.history.blocks
    return sum(event == HeartbeatSeen(NODE.node) for b in blocks for event in b.events.events)


def test_a_call_comes_into_the_next_slot():
    async def main(simulation):
        async with going(simulation) as (chain, clock):
            client = Client(chain, clock)
            await clock.sleep(5.0)
            included = await client.registry.submit(node_call(NODE))
            assert included.time == int(START) + 12
            assert 12.0 <= clock.monotonic() < 14.5
            await client.end()

    run(0, main)


@pytest.mark.parametrize("is_dropped", [False, True])
def test_a_call_of_a_node_that_went_down_is_its_next_lifes(is_dropped):
    async def main(simulation):
        async with going(simulation) as (chain, clock):
            client = Client(chain, clock)
            await client.registry.submit(node_call(NODE))
            call = asyncio.create_task(client.registry.submit(Heartbeat(NODE.node)))
            await clock.sleep(1.0)
            await client.end(call)
            if is_dropped:
                assert chain.drop() == 1
            await clock.sleep(600.0)
            assert beats(chain) == (not is_dropped)
            client = Client(chain, clock)
            await clock.sleep(600.0)
            assert beats(chain) == 1
            await client.end()

    run(0, main)


def test_a_journal_that_was_lost_holds_up_nobody():
    async def main(simulation):
        async with going(simulation) as (chain, clock):
            client = Client(chain, clock)
            await client.registry.submit(node_call(NODE))
            calls = [
                asyncio.create_task(client.registry.submit(Heartbeat(NODE.node))) for _ in range(3)
            ]
            await clock.sleep(2.0)
            await client.end(*calls)
            first = min(chain.mempool.waiting(), key=lambda each: each.nonce)
            chain.mempool.remove(first)
            chain.forget("node")
            client = Client(chain, clock)
            await client.registry.submit(Heartbeat(NODE.node))
            assert beats(chain) == 3  # of four: one was lost with the journal
            await client.end()

    run(0, main)


def test_what_stays_unknown_is_kept_and_takes_effect_later():
    async def main(simulation):
        async with going(simulation) as (chain, clock):
            client = Client(chain, clock)
            await client.registry.submit(node_call(NODE))
            chain.stall("node", 400.0)
            with pytest.raises(TimeoutExpiredError):
                await client.registry.submit(Heartbeat(NODE.node))
            await clock.sleep(2000.0)
            assert beats(chain) == 1
            await client.end()

    run(0, main)


@pytest.mark.parametrize("seed", range(12))
def test_a_reorganisation_undoes_so_many_blocks_and_what_was_in_them_comes_back(seed):
    async def main(simulation):
        async with going(simulation) as (chain, clock):
            client = Client(chain, clock)
            await client.registry.submit(node_call(NODE))
            await client.registry.submit(Heartbeat(NODE.node))
            await client.registry.submit(Heartbeat(NODE.node))
            assert chain.reorganise(1 + seed % 3) == 1 + seed % 3
            await clock.sleep(600.0)
            assert beats(chain) == 2
            assert State(chain.state).node(NODE.node) is not None
            assert chain.branch.nonce(NODE.address) == 3
            await client.end()
            return {state for state in chain.notes.seen if state.startswith("undone")}

    assert run(seed, main).result


def test_what_is_final_stays_and_nothing_is_undone_deeper_than_seven_blocks():
    async def main(simulation):
        async with going(simulation) as (chain, clock):
            client = Client(chain, clock)
            assert chain.reorganise(1) == 0
            await client.registry.submit(node_call(NODE))
            for _ in range(9):
                await client.registry.submit(Heartbeat(NODE.node))
            assert chain.head.final == 1
            assert chain.reorganise(100) == DEEPEST
            chain.hold(1000.0)
            await clock.sleep(900.0)
            assert chain.head.final == 1
            await clock.sleep(900.0)
            head = chain.head
            assert head.final < chain.safe < head.height
            assert chain.reorganise(DEEPEST) == min(DEEPEST, head.height - head.final)
            assert chain.head.final == head.final
            await client.end()

    run(0, main)


def test_a_refused_call_that_is_undone_only_uses_up_its_nonce():
    async def main(simulation):
        async with going(simulation) as (chain, clock):
            client, other = Client(chain, clock), NamedKey("other")
            task = asyncio.create_task(client.registry.submit(Heartbeat(NODE.node)))
            await asyncio.wait((task,))
            assert task.exception() is not None
            undone = chain.branch.roll_back(chain.head.height - 1)  # forgotten by all
            assert len(undone) == 1
            chain.call(NODE.address, node_call(NODE))  # now it would take effect
            await clock.sleep(600.0)
            assert State(chain.state).node(NODE.node) is not None
            assert State(chain.state).node(other.node) is None
            assert chain.branch.nonce(NODE.address) == 1
            assert beats(chain) == 0
            await client.end()

    run(0, main)


def test_what_the_world_sends_is_kept_until_it_is_final_and_sent_once():
    async def main(simulation):
        async with going(simulation) as (chain, clock):
            chain.call(NODE.address, node_call(NODE))
            chain.call(NODE.address, node_call(NODE))
            assert chain.drop() == 1
            await clock.sleep(120.0)
            assert State(chain.state).node(NODE.node) is not None
            assert chain.branch.nonce(b"world" + NODE.address) == 1

    run(0, main)


def test_an_idle_week_is_few_blocks_and_little_work():
    async def main(simulation):
        async with going(simulation, pace=300.0) as (chain, clock):
            client = Client(chain, clock)
            await clock.sleep(7.0 * DAY)
            await client.end()
            return chain.head.height

    outcome = run(0, main)
    assert 1000 < outcome.result < 2100
    assert outcome.turns < 40 * outcome.result
