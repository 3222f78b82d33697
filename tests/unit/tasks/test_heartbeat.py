from dataclasses import dataclass

import pytest

from xdb.core.rules.state import State
from xdb.errors import UnavailableError
from xdb.index.views import NodeView
from xdb.model.calls import UpdateNode
from xdb.model.events import HeartbeatSeen
from xdb.model.registry import Parameters
from xdb.services.facts import Facts
from xdb.tasks.heartbeat import HeartbeatReport, HeartbeatTask
from xdb.testing.chain import MemoryChain
from xdb.testing.clock import FakeClock
from xdb.testing.entropy import SeededEntropy
from xdb.testing.keys import NamedKey
from xdb.testing.registry import START, node_call

NODE, NEW = NamedKey("node"), NamedKey("new signer")


@dataclass
class Records:
    """Nodes as chain state has them at this moment."""

    chain: MemoryChain

    @property
    def head(self):
        return self.chain.head

    @property
    def parameters(self):
        return self.chain.parameters

    def node(self, node):
        record = State(self.chain.state).node(node)
        return None if record is None else NodeView(record, 0, 0, 0)


@pytest.fixture
def chain():
    return MemoryChain(Parameters(start=START), FakeClock(START))


def task(chain, signer=NODE):
    facts = Facts(NODE.node, chain.deployment, chain.parameters, Records(chain))
    registry = chain.registry(signer, SeededEntropy(signer.name))
    return HeartbeatTask(facts, signer.address, registry)


async def test_heartbeat_is_on_the_chain(chain):
    chain.call(NODE.address, node_call(NODE))
    assert await task(chain).run_once() == HeartbeatReport(2)
    blocks = chain.events().follow(1)
    assert (await anext(blocks)).events == (HeartbeatSeen(NODE.node),)
    await blocks.aclose()


async def test_node_that_does_not_see_itself(chain):
    with pytest.raises(UnavailableError, match="does not see itself on the chain yet"):
        await task(chain).run_once()


async def test_new_signer_waits_for_its_epoch_and_the_old_one_goes_on_until_then(chain):
    chain.call(NODE.address, node_call(NODE))
    chain.advance(100)
    chain.call(NODE.address, UpdateNode(signer=NEW.address))
    height = chain.head.height
    waiting = "for epoch 1: this signer does not count before"
    assert await task(chain, NEW).run_once() == HeartbeatReport(0, waiting)
    assert chain.head.height == height
    assert (await task(chain, NODE).run_once()).height
    chain.advance(chain.parameters.epoch - 100)
    assert (await task(chain, NEW).run_once()).height
    assert not (await task(chain, NODE).run_once()).height
