"""Mistakes of PaddleDTX XuperDB's contract that must not come back."""

from dataclasses import replace

import pytest

from xdb.core.rules.state import State
from xdb.errors import RefusedCallError
from xdb.model.calls import (
    Delete,
    Heartbeat,
    Move,
    Publish,
    RegisterNode,
    Release,
    Renew,
    SetNodeState,
    UpdateNode,
)
from xdb.model.refusal import Refusal
from xdb.model.registry import Endpoint, NodeState
from xdb.testing.keys import NamedKey
from xdb.testing.registry import DAY, START, World, digest, namespace_call


@pytest.fixture
def world():
    return World()


def refusal_of(world, sender, call):
    before = dict(world.chain.state.values)
    with pytest.raises(RefusedCallError) as caught:
        world.call(sender, call)
    assert world.chain.state.values == before
    return Refusal(caught.value.refusal)


# Anyone could publish a file that named others' slices with a past expiry, and nodes
# deleted them.


def test_nobody_publishes_what_nodes_hold_for_another(world):
    victim = world.publish(world.alice, "victim", life=30 * DAY)
    nodes = world.nodes[:2]
    copied = victim.new(nodes, expiry=world.now + 30 * DAY, valid_until=world.now)
    for expiry in (world.now + 1, world.now + 30 * DAY):
        stolen = replace(copied, expiry=expiry)
        assert refusal_of(world, world.bob, Publish((stolen,))) is Refusal.RECEIPT
    assert world.record(victim.id).owner == world.alice.address


@pytest.mark.parametrize("expiry", [0, 1, START - 1, START])
def test_nobody_publishes_with_a_past_expiry(world, expiry):
    draft = world.draft(world.bob, "past")
    new = draft.new(world.nodes[:2], expiry=world.now + DAY, valid_until=world.now)
    assert refusal_of(world, world.bob, Publish((replace(new, expiry=expiry),))) is Refusal.EXPIRY


def test_nobody_ends_anothers_file(world):
    victim = world.publish(world.alice, "victim", life=30 * DAY)
    draft = world.draft(world.bob, "own")
    new = draft.new(world.nodes[:2], expiry=world.now + DAY, valid_until=world.now)
    replacing = Publish((replace(new, replaces=victim.id),))
    assert refusal_of(world, world.bob, replacing) is Refusal.NOT_ALLOWED
    assert refusal_of(world, world.bob, Delete(victim.id)) is Refusal.NOT_ALLOWED
    assert refusal_of(world, world.bob, Renew(victim.id, world.now + 1, ())) is Refusal.NOT_ALLOWED
    assert refusal_of(world, world.bob, Release(victim.id)) is Refusal.NOT_GONE
    assert world.record(victim.id).is_live(world.now + 30 * DAY - 1)


def test_not_even_its_owner_ends_a_file_without_retention(world):
    victim = world.publish(world.alice, "victim", life=30 * DAY)
    shorter = Renew(victim.id, world.now + 1, ())
    assert refusal_of(world, world.alice, shorter) is Refusal.EXPIRY
    world.call(world.alice, Delete(victim.id))
    world.chain.advance(world.parameters.retention - 1)
    assert refusal_of(world, world.alice, Release(victim.id)) is Refusal.NOT_GONE
    assert world.entry(victim.id) is not None


# One malformed file id or node record broke listing for the whole network.


@pytest.mark.parametrize(
    "change",
    [
        {"endpoint": Endpoint("", digest("c"))},
        {"endpoint": Endpoint("no port", digest("c"))},
        {"endpoint": Endpoint("a:1", b"short")},
        {"signer": b""},
        {"operator": "\0"},
        {"zone": "x" * 10_000},
        {"capacity": 2**64},
        {"capacity": -1},
    ],
)
def test_a_malformed_node_record_never_enters_the_state(world, change):
    key = NamedKey("bad")
    good = RegisterNode(key.address, Endpoint("a:1", digest("c")), "", "", 0)
    before = dict(world.chain.state.values)
    with pytest.raises((RefusedCallError, ValueError)):  # what cannot be encoded is no call
        world.call(key, replace(good, **change))
    assert world.chain.state.values == before


def test_the_oddest_record_that_may_enter_can_be_read(world):
    key = NamedKey("odd")
    longest = "x" * (world.parameters.max_text - 2) + ":1"
    odd = RegisterNode(key.address, Endpoint(longest, bytes(32)), "é" * 128, "'\"<>{}%s", 2**63 - 1)
    world.call(key, odd)
    record = State(world.chain.state).node(key.node)
    assert record is not None
    assert record.operator == odd.operator
    for node in world.nodes:
        assert State(world.chain.state).node(node.node) is not None


# Callers dated their own heartbeats; a stopping node never went offline.


def test_a_heartbeat_is_dated_by_the_chain_and_signed_by_its_node(world):
    node = world.nodes[0]
    assert "time" not in {name for name in Heartbeat.__slots__ if name != "node"}
    assert refusal_of(world, world.nodes[1], Heartbeat(node.node)) is Refusal.NOT_ALLOWED
    world.call(node, Heartbeat(node.node))


def test_a_stopping_node_goes_offline_and_comes_back(world):
    node = world.nodes[0]
    world.call(node, SetNodeState(NodeState.OFFLINE))
    draft = world.draft(world.alice, "f")
    new = draft.new(world.nodes[:2], expiry=world.now + DAY, valid_until=world.now)
    assert refusal_of(world, world.alice, Publish((new,))) is Refusal.NODE_STATE
    world.call(node, SetNodeState(NodeState.ONLINE))
    world.call(world.alice, Publish((new,)))


# Anyone could turn an honest node red.


def test_only_a_receipt_makes_a_node_answer_for_anything(world):
    victim = world.nodes[0]
    draft = world.draft(world.bob, "frame")
    forged = draft.accepted(
        1, world.bob, node=victim, expiry=world.now + DAY, valid_until=world.now
    )
    new = draft.new(world.nodes[:2], expiry=world.now + DAY, valid_until=world.now)
    framing = Publish((replace(new, holders=(forged, new.holders[1])),))
    assert refusal_of(world, world.bob, framing) is Refusal.RECEIPT
    own = world.publish(world.bob, "own", nodes=world.nodes[1:3])
    holder = own.accepted(
        1, world.bob, node=victim, expiry=world.now + DAY, valid_until=world.now, version=2
    )
    assert refusal_of(world, world.bob, Move(own.id, 1, 1, holder)) is Refusal.RECEIPT


def test_a_receipt_of_a_replaced_signer_binds_nobody(world):
    victim, thief = world.nodes[0], NamedKey("fresh")
    world.call(victim, UpdateNode(signer=thief.address))
    world.chain.advance(world.parameters.epoch)
    draft = world.draft(world.bob, "late")
    old = draft.new(world.nodes[:2], expiry=world.now + DAY, valid_until=world.now)
    assert refusal_of(world, world.bob, Publish((old,))) is Refusal.RECEIPT


def test_other_owners_names_and_namespaces_are_no_obstacle(world):
    world.call(world.bob, namespace_call("shared"))
    world.call(world.alice, namespace_call("shared"))
    world.publish(world.bob, "a", name="name")
    world.publish(world.alice, "b", name="name")
