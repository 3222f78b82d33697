from dataclasses import replace

import pytest

from xdb.core.rules.state import State, heartbeat_key
from xdb.model.calls import (
    Delete,
    Heartbeat,
    Move,
    Publish,
    RegisterNode,
    Release,
    Resign,
    SetNodeState,
    UpdateNode,
)
from xdb.model.events import HeartbeatSeen, NodeRegistered, NodeResigned, NodeStateSet, NodeUpdated
from xdb.model.refusal import Refusal
from xdb.model.registry import Endpoint, NodeState
from xdb.testing.keys import NamedKey
from xdb.testing.registry import digest, node_call

HOT, WARM = NamedKey("hot"), NamedKey("warm")


def record(world, key):
    found = State(world.chain.state).node(key.node)
    assert found is not None
    return found


def test_a_node_registers_itself_and_is_online_at_once(world):
    key = NamedKey("new")
    call = node_call(key, operator="Öl & Söhne", zone="eu")
    (event,) = world.call(key, call)
    assert event == NodeRegistered(
        node=key.node,
        signer=key.address,
        endpoint=call.endpoint,
        operator="Öl & Söhne",
        zone="eu",
        capacity=2**40,
    )
    assert record(world, key).state is NodeState.ONLINE
    assert record(world, key).registered == world.now
    assert record(world, key).signer_at(0) == key.address


def test_nobody_registers_twice(world, refused):
    with refused(Refusal.NODE_EXISTS, world.nodes[0].node.hex()):
        world.call(world.nodes[0], node_call(world.nodes[0]))


@pytest.mark.parametrize(
    "address", ["a:1", "10.0.0.1:65535", "[::1]:7000", "a-b.example_1.org:443", "A1:80"]
)
def test_sane_addresses_are_taken(world, address):
    key = NamedKey("new")
    world.call(key, replace(node_call(key), endpoint=Endpoint(address, digest("c"))))


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a",
        "a:",
        ":1",
        "a:0",
        "a:65536",
        "a:01",
        "a:1 ",
        "a:-1",
        "a:1:2",
        "::1:70",
        "[::1]",
        "a b:1",
        "a/../b:1",
        "a:1\n",
        "ä:1",
        "a:٣",
        "http://a:1",
        "-a:1",
        "[fe80::1%eth0]:1",
    ],
)
def test_other_addresses_are_refused(world, refused, address):
    key = NamedKey("new")
    with refused(Refusal.INVALID, "address"):
        world.call(key, replace(node_call(key), endpoint=Endpoint(address, digest("c"))))


@pytest.mark.parametrize("field", ["operator", "zone"])
@pytest.mark.parametrize("text", ["a\0", "a\nb", "\x7f", "a\u202eb", "\u200b", "\x85", "\ufeff"])
def test_texts_hold_nothing_invisible(world, refused, field, text):
    key = NamedKey("new")
    with refused(Refusal.INVALID, field, "take them out"):
        world.call(key, replace(node_call(key), **{field: text}))
    with refused(Refusal.INVALID, field, "take them out"):
        world.call(world.nodes[0], UpdateNode(**{field: text}))


def test_texts_are_limited_in_bytes(world, refused):
    key = NamedKey("new")
    world.call(key, replace(node_call(key), zone="é" * 128))
    with refused(Refusal.TOO_LARGE, "257 bytes", "256"):
        world.call(NamedKey("other"), replace(node_call(key), zone="é" * 128 + "e"))
    with refused(Refusal.TOO_LARGE):
        endpoint = Endpoint("a" * 252 + ":7000", digest("c"))
        world.call(NamedKey("other"), replace(node_call(key), endpoint=endpoint))


def test_numbers_stay_below_2_to_63(world, refused):
    key = NamedKey("new")
    world.call(key, replace(node_call(key), capacity=2**63 - 1))
    with refused(Refusal.INVALID, str(2**63)):
        world.call(NamedKey("other"), replace(node_call(key), capacity=2**63))


def test_an_update_changes_only_what_it_names(world):
    key = world.nodes[0]
    before = record(world, key)
    endpoint = Endpoint("moved.example:1", digest("one"), digest("two"))
    (event,) = world.call(key, UpdateNode(endpoint=endpoint, capacity=5))
    assert record(world, key) == replace(before, endpoint=endpoint, capacity=5)
    assert event == NodeUpdated(
        node=key.node,
        signer=before.signer,
        signer_epoch=before.signer_epoch,
        endpoint=endpoint,
        operator=before.operator,
        zone=before.zone,
        capacity=5,
    )


def test_an_update_of_nothing_is_refused(world, refused):
    with refused(Refusal.INVALID, "nothing to change"):
        world.call(world.nodes[0], UpdateNode())


def test_only_nodes_can_be_changed_and_only_by_themselves(world, refused):
    for call in (UpdateNode(zone="x"), SetNodeState(NodeState.OFFLINE), Resign()):
        with refused(Refusal.NODE_UNKNOWN, world.alice.address.hex(), "register it first"):
            world.call(world.alice, call)


def test_a_new_signer_counts_from_the_next_epoch_on(world, refused):
    key = world.nodes[0]
    (event,) = world.call(key, UpdateNode(signer=HOT.address))
    assert event.signer == HOT.address
    assert event.signer_epoch == 1
    world.call(key, Heartbeat(key.node))
    with refused(Refusal.NOT_ALLOWED, "epoch 0"):
        world.call(HOT, Heartbeat(key.node))
    world.chain.advance(3600)
    world.call(HOT, Heartbeat(key.node))
    with refused(Refusal.NOT_ALLOWED, "epoch 1"):
        world.call(key, Heartbeat(key.node))


def test_a_second_change_in_an_epoch_keeps_the_signer_in_effect(world, refused):
    key = world.nodes[0]
    world.call(key, UpdateNode(signer=HOT.address))
    world.chain.advance(3600)
    # HOT is in effect now; two changes in this epoch must neither drop it nor bring key back
    world.call(key, UpdateNode(signer=WARM.address))
    world.call(key, UpdateNode(signer=key.address))
    assert record(world, key).signer_at(1) == HOT.address
    world.call(HOT, Heartbeat(key.node))
    for other in (key, WARM):
        with refused(Refusal.NOT_ALLOWED):
            world.call(other, Heartbeat(key.node))
    world.chain.advance(3600)
    world.call(key, Heartbeat(key.node))
    for other in (HOT, WARM):
        with refused(Refusal.NOT_ALLOWED):
            world.call(other, Heartbeat(key.node))


def test_other_changes_leave_a_pending_signer_alone(world):
    key = world.nodes[0]
    world.call(key, UpdateNode(signer=HOT.address))
    world.call(key, UpdateNode(zone="x"))
    assert record(world, key).signer_at(0) == key.address
    assert record(world, key).signer_at(1) == HOT.address


def test_a_heartbeat_has_a_key_of_its_own_and_the_chains_time(world):
    key = world.nodes[0]
    before = dict(world.chain.state.values)
    world.chain.advance(7)
    assert world.call(key, Heartbeat(key.node)) == (HeartbeatSeen(key.node),)
    changed = dict(set(world.chain.state.values.items()) - set(before.items()))
    assert changed == {heartbeat_key(key.node): world.now.to_bytes(8, "big")}


def test_heartbeats_of_unknown_nodes_are_refused(world, refused):
    with refused(Refusal.NODE_UNKNOWN):
        world.call(world.alice, Heartbeat(NamedKey("nobody").node))


@pytest.mark.parametrize(
    "way",
    [
        [NodeState.DRAINING, NodeState.ONLINE],
        [NodeState.OFFLINE, NodeState.ONLINE],
        [NodeState.DRAINING, NodeState.OFFLINE, NodeState.DRAINING, NodeState.LEFT],
    ],
)
def test_ways_through_the_states(world, way):
    key = world.nodes[0]
    for state in way:
        assert world.call(key, SetNodeState(state)) == (NodeStateSet(key.node, state),)
        assert record(world, key).state is state


def test_a_state_is_not_set_twice(world, refused):
    with refused(Refusal.NODE_STATE, "online already"):
        world.call(world.nodes[0], SetNodeState(NodeState.ONLINE))


@pytest.mark.parametrize("state", [NodeState.ONLINE, NodeState.OFFLINE])
def test_leaving_needs_draining(world, refused, state):
    key = world.nodes[0]
    if state is not NodeState.ONLINE:
        world.call(key, SetNodeState(state))
    with refused(Refusal.NODE_STATE, "drain it first"):
        world.call(key, SetNodeState(NodeState.LEFT))


def test_a_node_that_left_does_nothing_any_more(world, refused):
    key = world.nodes[0]
    world.call(key, SetNodeState(NodeState.DRAINING))
    world.call(key, SetNodeState(NodeState.LEFT))
    for call in (
        SetNodeState(NodeState.ONLINE),
        SetNodeState(NodeState.LEFT),
        UpdateNode(zone="x"),
        Heartbeat(key.node),
        Resign(),
    ):
        with refused(Refusal.NODE_STATE, "left for good"):
            world.call(key, call)
    with refused(Refusal.NODE_EXISTS):
        world.call(key, node_call(key))


def test_a_draining_node_leaves_when_its_last_holding_is_gone(world, refused):
    key, other = world.nodes[0], world.nodes[3]
    moved = world.publish(world.alice, "moved")
    deleted = world.publish(world.alice, "deleted")
    world.call(key, SetNodeState(NodeState.DRAINING))
    leave = SetNodeState(NodeState.LEFT)
    with refused(Refusal.NODE_BUSY, "still holds files"):
        world.call(key, leave)
    expiry = world.record(moved.id).expiry
    holder = moved.accepted(1, other, expiry=expiry, valid_until=world.now, version=2)
    world.call(world.alice, Move(moved.id, 1, 1, holder))
    world.call(world.alice, Delete(deleted.id))
    with refused(Refusal.NODE_BUSY):
        world.call(key, leave)
    world.chain.advance(world.parameters.retention)
    with refused(Refusal.NODE_BUSY, "release"):
        world.call(key, leave)
    world.call(key, Release(deleted.id))
    world.call(key, leave)


@pytest.mark.parametrize("state", [NodeState.DRAINING, NodeState.OFFLINE])
def test_only_online_nodes_take_files(world, refused, state):
    world.call(world.nodes[1], SetNodeState(state))
    new = world.draft(world.alice, "f").new(
        world.nodes[:2], expiry=world.now + 9, valid_until=world.now
    )
    with refused(Refusal.NODE_STATE, state.name.lower(), "another node"):
        world.call(world.alice, Publish((new,)))


def test_after_notice_a_node_leaves_with_its_holdings(world, refused):
    key = world.nodes[0]
    world.publish(world.alice, "f", life=10**7)
    free_from = world.now + world.parameters.notice
    assert world.call(key, Resign()) == (
        NodeResigned(key.node, free_from),
        NodeStateSet(key.node, NodeState.DRAINING),
    )
    leave = SetNodeState(NodeState.LEFT)
    world.chain.advance(world.parameters.notice - 1)
    with refused(Refusal.NODE_BUSY):
        world.call(key, leave)
    world.call(key, SetNodeState(NodeState.OFFLINE))
    world.chain.advance(1)
    world.call(key, leave)
    assert record(world, key).state is NodeState.LEFT


def test_a_resignation_stands(world, refused):
    key = world.nodes[0]
    world.call(key, SetNodeState(NodeState.OFFLINE))
    assert world.call(key, Resign()) == (
        NodeResigned(key.node, world.now + world.parameters.notice),
    )
    with refused(Refusal.NODE_STATE, "resigned", "new key"):
        world.call(key, SetNodeState(NodeState.ONLINE))
    with refused(Refusal.NODE_STATE, "may leave at"):
        world.call(key, Resign())
    world.call(key, SetNodeState(NodeState.DRAINING))


def test_registering_needs_no_permission_of_others(world):
    # a record that looks odd is still one that every reader can decode
    key = NamedKey("odd")
    world.call(key, RegisterNode(bytes(20), Endpoint("a:1", bytes(32)), "", "", 0))  # type: ignore[arg-type]
    assert record(world, key).capacity == 0
