"""Which nodes may be used."""

import asyncio

import pytest

from xdb.errors import UnavailableError
from xdb.model.calls import SetNodeState
from xdb.model.registry import NodeState
from xdb.services.candidates import PATIENCE, STATUS_AGE, NodeSurvey, TrustConfig
from xdb.services.observations import Observations
from xdb.store.kv_memory import MemoryKeyValue


@pytest.fixture
def members(net):
    return list(net.members.values())


def survey(net, trust=None):
    return NodeSurvey(net.index, net.peers(), net.clock, net.spawn, trust or TrustConfig())


async def usable(made):
    found = await made.candidates()
    return {candidate.node for candidate in found.nodes}, dict(found.objections)


async def test_all_that_are_online_and_answer(net, members):
    nodes, objections = await usable(survey(net))
    assert nodes == {member.node for member in members}
    assert not objections


async def test_each_that_is_not_usable_has_its_reason(net, members):
    net.chain.call(members[0].key.address, SetNodeState(NodeState.DRAINING))
    await net.caught_up()
    members[1].up = False
    trust = TrustConfig(deny_operators=frozenset({"node-2"}))
    nodes, objections = await usable(survey(net, trust))
    assert nodes == {members[3].node}
    assert objections[members[0].node] == "is draining"
    assert "does not answer" in objections[members[1].node]
    assert "trust lists" in objections[members[2].node]


@pytest.mark.parametrize(
    ("trust", "left"),
    [
        (TrustConfig(allow_operators=frozenset({"node-1", "node-2"})), {1, 2}),
        (TrustConfig(deny_operators=frozenset({"node-0"})), {1, 2, 3}),
        (
            TrustConfig(
                allow_operators=frozenset({"node-1", "node-2"}),
                deny_operators=frozenset({"node-1"}),
            ),
            {2},
        ),
    ],
)
async def test_trust_lists(net, members, trust, left):
    nodes, _ = await usable(survey(net, trust))
    assert nodes == {members[number].node for number in left}


async def test_nodes_are_allowed_and_denied_by_id(net, members):
    name = members[0].node.hex()
    only, _ = await usable(survey(net, TrustConfig(allow_nodes=frozenset({name}))))
    others, _ = await usable(survey(net, TrustConfig(deny_nodes=frozenset({name}))))
    assert only == {members[0].node}
    assert others == {member.node for member in members[1:]}


async def test_a_node_not_heard_of_is_not_healthy(net, members):
    members[0].up = False
    net.chain.advance(3 * net.chain.parameters.heartbeat + 1)
    net.heartbeats()
    members[0].up = True
    await net.caught_up()
    found = await survey(net).candidates()
    healthy = {candidate.node: candidate.healthy for candidate in found.nodes}
    assert healthy == {member.node: member is not members[0] for member in members}


async def test_answers_are_good_for_a_while(net):
    made = survey(net)
    await made.candidates()
    net.calls.clear()
    await net.clock.advance(STATUS_AGE)
    await made.candidates()
    assert not net.calls
    await net.clock.advance(2)
    await made.candidates()
    await net.clock.advance(0)
    assert len(net.calls) == 4


async def test_whoever_fails_is_asked_again_at_once(net, members):
    made = survey(net)
    await made.candidates()
    members[0].up = False
    made.forget(members[0].node)
    nodes, _ = await usable(made)
    assert members[0].node not in nodes


class Silent:
    """Peers of which one does not answer for a long time."""

    def __init__(self, net, node):
        self.net, self.node = net, node
        self.peers = net.peers()

    def peer(self, record):
        peer = self.peers.peer(record)
        return self if record.node == self.node else peer

    async def status(self):
        await self.net.clock.sleep(1000)
        raise UnavailableError("timed out")


async def test_a_silent_node_holds_up_nobody_for_long(net, members):
    made = NodeSurvey(net.index, Silent(net, members[0].node), net.clock, net.spawn)
    first = asyncio.ensure_future(usable(made))
    await net.clock.advance(PATIENCE)
    nodes, objections = await first
    assert nodes == {member.node for member in members[1:]}
    assert objections == {members[0].node: "has not answered yet"}
    await net.clock.advance(1000)
    again = asyncio.ensure_future(usable(made))
    await net.clock.advance(0)
    _, objections = again.result()
    assert objections == {members[0].node: "timed out"}


@pytest.mark.parametrize(
    ("last", "usable_then"), [(3599, True), (3600, False), (3600 - 7300, True)]
)
async def test_a_node_that_was_silent_for_long_is_not_usable(net, members, last, usable_then):
    net.chain.advance(10_000)
    await net.caught_up()
    now, probed = net.index.head.time, Observations(MemoryKeyValue())
    latest = now if last >= 0 else now - 3601
    await probed.unanswered(members[0].node, latest - abs(last), "no route")
    await probed.unanswered(members[0].node, latest, "no route")
    made = survey(net)
    made.probed = probed
    nodes, objections = await usable(made)
    assert (members[0].node in nodes) is usable_then
    if not usable_then:
        assert objections == {members[0].node: "answered no probe for 3600 s"}
