from dataclasses import replace

import pytest

from xdb.core.rules.state import State
from xdb.model.calls import Publish, UpdateNamespace
from xdb.model.events import NamespaceCreated, NamespaceUpdated
from xdb.model.refusal import Refusal
from xdb.model.registry import Coding, NamespaceRecord, ProofScheme, Redundancy
from xdb.testing.registry import TWO_COPIES, namespace_call, tag

THREE = Redundancy(Coding.COPIES, 1, 3)


def test_a_namespace_is_created(world):
    call = namespace_call("photos")
    assert world.call(world.alice, call) == (
        NamespaceCreated(
            world.alice.address, tag("photos"), b"label", TWO_COPIES, ProofScheme.MERKLE
        ),
    )
    assert State(world.chain.state).namespace(
        world.alice.address, tag("photos")
    ) == NamespaceRecord(
        world.alice.address, tag("photos"), TWO_COPIES, ProofScheme.MERKLE, world.now
    )


def test_tags_are_unique_per_owner_only(world, refused):
    world.call(world.alice, namespace_call("x"))
    world.call(world.bob, namespace_call("x"))
    with refused(Refusal.NAMESPACE_EXISTS, tag("x").hex()):
        world.call(world.alice, namespace_call("x"))


@pytest.mark.parametrize(
    "redundancy",
    [
        Redundancy(Coding.COPIES, 1, 1),
        Redundancy(Coding.COPIES, 1, 32),
        Redundancy(Coding.ERASURE, 2, 3),
        Redundancy(Coding.ERASURE, 31, 32),
    ],
)
def test_sane_policies_are_taken(world, redundancy):
    world.call(world.alice, namespace_call("x", redundancy))


@pytest.mark.parametrize(
    "redundancy",
    [
        Redundancy(Coding.COPIES, 1, 0),
        Redundancy(Coding.COPIES, 0, 1),
        Redundancy(Coding.COPIES, 2, 3),
        Redundancy(Coding.COPIES, 1, 33),
        Redundancy(Coding.ERASURE, 1, 2),
        Redundancy(Coding.ERASURE, 0, 0),
        Redundancy(Coding.ERASURE, 3, 3),
        Redundancy(Coding.ERASURE, 4, 3),
        Redundancy(Coding.ERASURE, 2, 33),
    ],
)
def test_other_policies_are_refused(world, refused, redundancy):
    with refused(Refusal.POLICY):
        world.call(world.alice, namespace_call("x", redundancy))
    with refused(Refusal.POLICY):
        world.call(world.alice, UpdateNamespace(tag("ns"), redundancy=redundancy))


def test_long_labels_are_refused(world, refused):
    call = namespace_call("x")
    world.call(world.alice, replace(call, label=bytes(4096)))
    with refused(Refusal.TOO_LARGE, "4097", "4096"):
        world.call(world.bob, replace(call, label=bytes(4097)))
    with refused(Refusal.TOO_LARGE):
        world.call(world.alice, UpdateNamespace(tag("ns"), label=bytes(4097)))


def test_a_scheme_that_is_not_there_is_refused(world, refused):
    with refused(Refusal.UNSUPPORTED, "pairing"):
        world.call(world.alice, replace(namespace_call("x"), scheme=ProofScheme.PAIRING))


def test_an_update_changes_what_it_names(world):
    assert world.call(world.alice, UpdateNamespace(tag("ns"), label=b"new")) == (
        NamespaceUpdated(world.alice.address, tag("ns"), b"new", TWO_COPIES),
    )
    assert world.call(world.alice, UpdateNamespace(tag("ns"), redundancy=THREE)) == (
        NamespaceUpdated(world.alice.address, tag("ns"), None, THREE),
    )
    record = State(world.chain.state).namespace(world.alice.address, tag("ns"))
    assert record is not None
    assert record.redundancy == THREE
    other = State(world.chain.state).namespace(world.bob.address, tag("ns"))
    assert other is not None
    assert other.redundancy == TWO_COPIES


def test_an_update_needs_a_namespace_and_a_change(world, refused):
    with refused(Refusal.NAMESPACE_UNKNOWN, "create it first"):
        world.call(world.alice, UpdateNamespace(tag("x"), label=b""))
    with refused(Refusal.INVALID, "nothing to change"):
        world.call(world.alice, UpdateNamespace(tag("ns")))


def test_files_keep_their_redundancy_when_the_policy_changes(world, refused):
    old = world.publish(world.alice, "old")
    world.call(world.alice, UpdateNamespace(tag("ns"), redundancy=THREE))
    assert world.record(old.id).redundancy == TWO_COPIES
    late = world.draft(world.alice, "late")
    call = late.new(world.nodes[:2], expiry=world.now + 9, valid_until=world.now)
    with refused(Refusal.POLICY, "copies, 1 of 3"):
        world.call(world.alice, Publish((call,)))
