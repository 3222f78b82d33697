"""Mistakes of PaddleDTX XuperDB's storage nodes that must not come back."""

import time
from dataclasses import dataclass

import pytest

from xdb.core.health import node_triggers
from xdb.core.rules.state import State
from xdb.index.views import NodeView
from xdb.model.health import NodeFacts, Reason, Silence
from xdb.model.registry import NodeState
from xdb.node.enrolment import Enrolment, Profile
from xdb.ports.blockchain import BlockEvents
from xdb.services.facts import Facts
from xdb.tasks.heartbeat import HeartbeatTask
from xdb.testing.entropy import SeededEntropy
from xdb.testing.keys import NamedKey
from xdb.testing.registry import World, node_call

NODE = NamedKey("n0")


@pytest.fixture
def world():
    return World()


@dataclass
class Records:
    """Records as chain state has them at this moment."""

    world: World

    @property
    def head(self):
        return self.world.chain.head

    @property
    def parameters(self):
        return self.world.parameters

    def node(self, node):
        return NodeView(State(self.world.chain.state).node(node), 0, 0, 0)

    async def reached(self, height):
        assert height <= self.world.chain.head.height


def enrolment(world):
    call = node_call(NODE)
    profile = Profile(call.signer, call.endpoint, call.operator, call.zone, call.capacity)
    identity = world.chain.registry(NODE, SeededEntropy())
    return Enrolment(NODE.node, profile, Records(world), identity)


def state(world):
    return State(world.chain.state).node(NODE.node).state


# A stopping node never went offline: it signed the wrong bytes, and nobody looked.


async def test_a_stopping_node_goes_offline_by_its_own_signature(world):
    node = enrolment(world)
    assert await node.sign_off()
    assert state(world) is NodeState.OFFLINE
    await node.run_once()
    assert state(world) is NodeState.ONLINE


# Heartbeats were dated by their senders, each in its own time zone.


@pytest.fixture(params=["UTC", "Asia/Shanghai", "America/Los_Angeles", "XYZ+13:30"])
def zone(request, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


async def test_time_zones_do_not_matter_to_heartbeats(world, zone):
    assert zone
    facts = Facts(NODE.node, world.chain.deployment, world.parameters, Records(world))
    registry = world.chain.registry(NODE, SeededEntropy())
    await HeartbeatTask(facts, NODE.address, registry).run_once()
    blocks = world.chain.events().follow(world.chain.head.height - 1)
    block = await anext(blocks)
    await blocks.aclose()
    assert isinstance(block, BlockEvents)
    assert block.time == world.now == world.parameters.start


# A node that had died counted as well for days.


def test_a_dead_nodes_silence_is_seen_within_unreachable(world):
    heard, limit = world.now, world.parameters.unreachable

    def reasons(now):
        silence = Silence(first=heard, latest=now)
        facts = NodeFacts(NODE.node, NodeState.ONLINE, heard, heard, heard, 1, silence=silence)
        return {trigger.reason for trigger in node_triggers(world.parameters, facts, now)}

    assert Reason.SILENT not in reasons(heard + limit - 1)
    assert Reason.SILENT in reasons(heard + limit)
    assert limit <= 3600
