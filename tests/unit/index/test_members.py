from dataclasses import replace

from xdb.core.rules.state import State
from xdb.model.calls import (
    Heartbeat,
    Resign,
    SetNodeState,
    UpdateNamespace,
    UpdateNode,
)
from xdb.model.registry import Coding, NodeState, Redundancy
from xdb.testing.keys import NamedKey
from xdb.testing.registry import namespace_call, tag


def as_the_rules_have_it(world):
    state = State(world.chain.state)
    return all(
        world.index.node(view.record.node).record == state.node(view.record.node)
        for view in world.index.nodes()
    )


async def test_nodes_are_as_the_rules_hold_them(world):
    node = world.nodes[0]
    for call in (
        UpdateNode(signer=NamedKey("hot").address),
        UpdateNode(operator="somebody else", capacity=5),
        UpdateNode(signer=NamedKey("hotter").address),
        SetNodeState(NodeState.DRAINING),
        SetNodeState(NodeState.OFFLINE),
    ):
        world.call(node, call)
        await world.follow()
        assert as_the_rules_have_it(world)
    await world.pass_time(world.parameters.epoch)
    world.call(node, UpdateNode(signer=NamedKey("hottest").address))
    world.call(node, UpdateNode(signer=NamedKey("hottest").address, zone="north"))
    world.call(node, Resign())
    await world.follow()
    assert as_the_rules_have_it(world)
    assert world.index.poisoned == 0


async def test_nodes_are_listed_in_pages(world):
    await world.follow()
    ids = sorted(key.node for key in world.nodes)
    assert [view.record.node for view in world.index.nodes()] == ids
    assert [view.record.node for view in world.index.nodes(after=ids[1], limit=1)] == ids[2:3]
    assert world.index.node(world.alice.address) is None


async def test_heartbeats_are_seen(world):
    node = world.nodes[0]
    await world.follow()
    assert world.index.node(node.node).last_heartbeat == 0
    world.chain.advance(600)
    world.call(node, Heartbeat(node.node))
    await world.follow()
    assert world.index.node(node.node).last_heartbeat == world.now


async def test_namespaces_and_their_changes(world):
    owner = world.alice.address
    world.call(world.alice, namespace_call("second"))
    await world.follow()
    first = world.index.namespace(owner, tag("ns"))
    assert first.record == State(world.chain.state).namespace(owner, tag("ns"))
    assert first.label == b"label"
    policy = Redundancy(Coding.COPIES, 1, 3)
    world.call(world.alice, UpdateNamespace(tag("ns"), redundancy=policy))
    await world.follow()
    changed = world.index.namespace(owner, tag("ns"))
    assert changed == replace(first, record=replace(first.record, redundancy=policy))
    world.call(world.alice, UpdateNamespace(tag("ns"), label=b"another"))
    await world.follow()
    assert world.index.namespace(owner, tag("ns")) == replace(changed, label=b"another")
    page = world.index.namespaces(owner, limit=1)
    rest = world.index.namespaces(owner, after=page.next)
    tags = [view.record.namespace for view in (*page.items, *rest.items)]
    assert tags == sorted([tag("ns"), tag("second")])
    assert world.index.namespace(world.bob.address, tag("second")) is None
