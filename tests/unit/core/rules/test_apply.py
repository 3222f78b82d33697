from dataclasses import replace

import pytest

from xdb.core.envelope import sign_envelope
from xdb.core.rules import Context, apply, execute
from xdb.core.rules.state import State, nonce_key
from xdb.core.wire import write_call
from xdb.errors import IntegrityError, RefusedCallError
from xdb.model.calls import Envelope, Heartbeat, Publish, Resign
from xdb.model.ids import Deployment
from xdb.model.refusal import Refusal
from xdb.testing.keys import NamedKey
from xdb.testing.registry import World, namespace_call, nonce


def signed(world, call, **changes) -> Envelope:
    values = {"key": world.alice, "title": "n", "ahead": 60, "deployment": world.chain.deployment}
    values |= changes
    return sign_envelope(
        call,
        values["deployment"],
        values["key"],
        nonce(values["title"]),
        world.now + values["ahead"],
    )


def test_an_envelope_takes_effect_once(world, refused):
    envelope = signed(world, namespace_call("x"))
    world.chain.submit(envelope)
    for again in (envelope, signed(world, namespace_call("y"))):
        with refused(Refusal.REPLAYED, world.alice.address.hex()):
            world.chain.submit(again)
    world.chain.submit(signed(world, namespace_call("y"), title="other"))


def test_a_nonce_is_kept_with_its_deadline_under_its_sender(world):
    world.chain.submit(signed(world, namespace_call("x")))
    key = nonce_key(world.alice.address, nonce("n"))
    assert world.chain.state.values[key] == (world.now + 60).to_bytes(8, "big")
    world.chain.submit(signed(world, namespace_call("x"), key=world.bob))


def test_a_refused_call_leaves_no_trace_and_may_succeed_later(world, refused):
    envelope = signed(world, Heartbeat(world.nodes[0].node), key=NamedKey("late"))
    with refused(Refusal.NOT_ALLOWED):
        world.chain.submit(envelope)
    draft = world.publish(world.alice, "f", name="name")
    other = world.draft(world.alice, "g").new(
        world.nodes[:2], expiry=world.now + 99, valid_until=world.now, name="name"
    )
    envelope = signed(world, Publish((other,)))
    with refused(Refusal.NAME_TAKEN, draft.id.hex()):
        world.chain.submit(envelope)


@pytest.mark.parametrize("ahead", [0, 600])
def test_deadlines_include_their_second(world, ahead):
    world.chain.submit(signed(world, namespace_call("x"), ahead=ahead))


@pytest.mark.parametrize("ahead", [-1, 601])
def test_deadlines_are_ahead_but_not_far(world, refused, ahead):
    with refused(Refusal.EXPIRED, "chain time"):
        world.chain.submit(signed(world, namespace_call("x"), ahead=ahead))


def test_a_dropped_nonce_cannot_be_used_again(world, refused):
    # whoever keeps the state may drop a nonce once its deadline is past
    envelope = signed(world, namespace_call("x"))
    world.chain.submit(envelope)
    world.chain.advance(61)
    del world.chain.state.values[nonce_key(world.alice.address, nonce("n"))]
    with refused(Refusal.EXPIRED):
        world.chain.submit(envelope)


def test_another_deployments_envelopes_are_refused(world, refused):
    for deployment in (
        Deployment(bytes(32), world.chain.deployment.contract),  # type: ignore[arg-type]
        Deployment(world.chain.deployment.chain, bytes(20)),  # type: ignore[arg-type]
    ):
        with refused(Refusal.WRONG_DEPLOYMENT):
            world.chain.submit(signed(world, namespace_call("x"), deployment=deployment))


def test_nobody_speaks_for_another(world, refused):
    envelope = signed(world, namespace_call("x"), key=world.bob)
    with refused(Refusal.BAD_SIGNATURE, world.alice.address.hex()):
        world.chain.submit(replace(envelope, sender=world.alice.address))


def test_writes_come_in_order_of_keys():
    world = World()
    context = Context(world.chain.deployment, world.parameters, world.now)
    new = world.draft(world.alice, "f").new(
        world.nodes[:2], expiry=world.now + 9, valid_until=world.now
    )
    effects = apply(context, world.chain.state, world.alice.address, Publish((new,)))
    keys = [key for key, _ in effects.writes]
    assert keys == sorted(keys)
    assert len(effects.events) == 1
    envelope = signed(world, Publish((new,)))
    executed = execute(context, world.chain.state, envelope)
    assert set(effects.writes) < set(executed.writes)
    assert executed.events == effects.events
    assert write_call(Publish((new,))) == envelope.call


def test_a_damaged_database_is_no_refusal(world):
    key = b"n/" + world.nodes[0].node
    world.chain.state.values[key] = b"damaged"
    with pytest.raises(IntegrityError, match="replay"):
        world.call(world.nodes[0], Resign())
    with pytest.raises(IntegrityError):
        State(world.chain.state).node(world.nodes[0].node)


def test_a_call_without_effect_changes_nothing(world):
    with pytest.raises(RefusedCallError):
        world.call(world.alice, namespace_call("ns"))
    assert world.chain.head.height == 6
