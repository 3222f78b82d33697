import pytest

from xdb.errors import RefusedCallError
from xdb.model.events import HeartbeatSeen
from xdb.model.registry import Parameters
from xdb.tasks.heartbeat import HeartbeatReport, HeartbeatTask
from xdb.testing.chain import MemoryChain
from xdb.testing.clock import FakeClock
from xdb.testing.entropy import SeededEntropy
from xdb.testing.keys import NamedKey
from xdb.testing.registry import START, node_call

NODE = NamedKey("node")


@pytest.fixture
def chain():
    return MemoryChain(Parameters(start=START), FakeClock(START))


def task(chain):
    return HeartbeatTask(NODE.node, chain.registry(NODE, SeededEntropy()))


async def test_heartbeat_is_on_the_chain(chain):
    chain.call(NODE.address, node_call(NODE))
    assert await task(chain).run_once() == HeartbeatReport(2)
    blocks = chain.events().follow(1)
    assert (await anext(blocks)).events == (HeartbeatSeen(NODE.node),)
    await blocks.aclose()


async def test_unknown_node_is_refused(chain):
    with pytest.raises(RefusedCallError):
        await task(chain).run_once()
