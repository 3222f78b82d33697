"""Registry and ChainEvents, on every chain that ships here."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from xdb.blockchain.embedded.backend import EmbeddedChain
from xdb.blockchain.embedded.sequencer import Sequencer
from xdb.blockchain.embedded.server import LedgerPeer
from xdb.blockchain.ethereum.backend import Settings, open_ethereum
from xdb.blockchain.ethereum.config import SendConfig, WatchConfig
from xdb.blockchain.ethereum.http import HttpRpc
from xdb.errors import RefusedCallError
from xdb.model.calls import Heartbeat, Resign
from xdb.model.events import HeartbeatSeen, NodeRegistered, NodeResigned, NodeStateSet
from xdb.model.registry import NodeState, Parameters
from xdb.ports.blockchain import BlockEvents, Final, Rollback
from xdb.runtime.clock import SystemClock
from xdb.store.kv_memory import MemoryKeyValue
from xdb.testing.anvil import anvil, running_anvil
from xdb.testing.chain import MemoryChain
from xdb.testing.clock import FakeClock
from xdb.testing.embedded import SEQUENCER, genesis, ledger
from xdb.testing.entropy import SeededEntropy
from xdb.testing.keys import NamedKey
from xdb.testing.registry import START, node_call

NODE = NamedKey("node")
ENTROPY = SeededEntropy()
PARAMETERS = Parameters(start=START)


@asynccontextmanager
async def memory_chain():
    yield MemoryChain(PARAMETERS, FakeClock(START))


@asynccontextmanager
async def embedded_chain():
    """A node that follows the sequencer."""
    clock, start = FakeClock(START), genesis(parameters=PARAMETERS)
    source = await ledger(start)
    sequencer = Sequencer(source, SEQUENCER, clock)
    chain = EmbeddedChain(await ledger(start), [LedgerPeer(source, sequencer)], clock)
    tasks = [asyncio.create_task(sequencer.run()), asyncio.create_task(chain.run())]
    yield chain
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class ChainClock(SystemClock):
    """The machine's clock, as if it were the chain's first day."""

    def __init__(self):
        self._offset = START - super().wall()

    def wall(self):
        return super().wall() + self._offset


@asynccontextmanager
async def ethereum_chain():
    """A node at two endpoints of a real EVM whose blocks are final at once."""
    names = ["node", *(f"n{number}" for number in range(20))]
    clock = ChainClock()
    async with running_anvil("--timestamp", str(START), "--slots-in-an-epoch", "0") as evm:
        await evm.fund([NamedKey(name).address for name in names])
        pins = await evm.deploy(PARAMETERS)
        settings = Settings(
            send=SendConfig(pause=0.02), watch=WatchConfig(pause=0.02, stale=3600, ahead=3600)
        )
        rpcs = [HttpRpc(evm.url, 5.0) for _ in range(2)]
        chain = await open_ethereum(rpcs, pins, MemoryKeyValue(), clock, settings)
        running = asyncio.create_task(chain.run())
        yield chain
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await chain.close()


CHAINS = [
    pytest.param(memory_chain, id="memory"),
    pytest.param(embedded_chain, id="embedded"),
    pytest.param(
        ethereum_chain,
        id="ethereum",
        marks=pytest.mark.skipif(anvil() is None, reason="no anvil: see tests/tools.py"),
    ),
]


@pytest.fixture(params=CHAINS)
async def chain(request):
    async with asyncio.timeout(30), request.param() as made:
        yield made


async def blocks_of(chain, after, until):
    """The blocks `after`..`until`, and what was said to be final."""
    found, final = [], 0
    async for item in chain.events().follow(after):
        match item:
            case BlockEvents():
                found.append(item)
            case Final():
                final = item.height
            case Rollback():
                while found and found[-1].height > item.height:
                    found.pop()
        if found and found[-1].height >= until and final >= until:
            return found
    raise AssertionError("the history ended")


def registry(chain, key=NODE):
    return chain.registry(key, ENTROPY)


async def test_it_says_what_it_is(chain):
    assert registry(chain).deployment == chain.deployment
    assert registry(chain).parameters == chain.parameters
    assert chain.parameters.notice == PARAMETERS.notice


async def test_a_call_takes_effect_and_is_told(chain):
    included = await registry(chain).submit(node_call(NODE))
    (block,) = await blocks_of(chain, included.height - 1, included.height)
    assert block.height == included.height
    assert block.time == included.time
    assert [type(event) for event in block.events] == [NodeRegistered]


async def test_who_submitted_sees_it_at_once(chain):
    included = await registry(chain).submit(node_call(NODE))
    assert chain.head.height >= included.height


async def test_a_refused_call_has_its_code_and_no_events(chain):
    with pytest.raises(RefusedCallError) as refused:
        await registry(chain).submit(Heartbeat(NODE.node))
    assert refused.value.refusal == 20
    included = await registry(chain).submit(node_call(NODE))
    blocks = await blocks_of(chain, 0, included.height)
    assert [type(e) for block in blocks for e in block.events] == [NodeRegistered]


async def test_heights_are_consecutive_and_times_do_not_fall(chain):
    await registry(chain).submit(node_call(NODE))
    for _ in range(3):
        included = await registry(chain).submit(Heartbeat(NODE.node))
    blocks = await blocks_of(chain, 0, included.height)
    assert [block.height for block in blocks] == list(range(1, included.height + 1))
    assert [block.time for block in blocks] == sorted(block.time for block in blocks)


async def test_history_can_be_read_from_anywhere(chain):
    await registry(chain).submit(node_call(NODE))
    included = await registry(chain).submit(Heartbeat(NODE.node))
    whole = await blocks_of(chain, 0, included.height)
    for after in range(included.height):
        assert await blocks_of(chain, after, included.height) == whole[after:]


async def test_new_blocks_reach_who_waits(chain):
    await registry(chain).submit(node_call(NODE))
    height = chain.head.height
    waiting = asyncio.create_task(blocks_of(chain, height, height + 1))
    await asyncio.sleep(0)
    await registry(chain).submit(Heartbeat(NODE.node))
    (block,) = await waiting
    assert block.events == (HeartbeatSeen(NODE.node),)


async def test_events_of_a_call_come_in_order(chain):
    await registry(chain).submit(node_call(NODE))
    included = await registry(chain).submit(Resign())
    (block,) = await blocks_of(chain, included.height - 1, included.height)
    assert block.events == (
        NodeResigned(NODE.node, included.time + PARAMETERS.notice),
        NodeStateSet(NODE.node, NodeState.DRAINING),
    )


async def test_calls_of_many_at_once_all_take_effect(chain):
    keys = [NamedKey(f"n{number}") for number in range(20)]
    included = await asyncio.gather(*(registry(chain, key).submit(node_call(key)) for key in keys))
    blocks = await blocks_of(chain, 0, max(i.height for i in included))
    seen = {event.node for block in blocks for event in block.events}
    assert seen == {key.node for key in keys}
    assert len({i.transaction for i in included}) == 20


async def test_the_same_call_twice_is_two_calls(chain):
    await registry(chain).submit(node_call(NODE))
    one = registry(chain)
    first, second = await one.submit(Heartbeat(NODE.node)), await one.submit(Heartbeat(NODE.node))
    assert first.transaction != second.transaction
