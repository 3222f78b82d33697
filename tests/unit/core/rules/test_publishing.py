from dataclasses import replace

import pytest

from xdb.core.encoding import decode
from xdb.core.receipts import receipt_digest
from xdb.core.rules.state import SlotEntry, State, holding_key, name_key
from xdb.model.calls import Delete, Publish, UpdateNode
from xdb.model.events import FilePublished
from xdb.model.ids import Address, ChainId, Deployment, FileId
from xdb.model.refusal import Refusal
from xdb.model.registry import Coding, FileRecord, Holding, Receipt, Redundancy
from xdb.testing.keys import NamedKey
from xdb.testing.registry import DAY, TWO_COPIES, World, digest, namespace_call, tag

HOT = NamedKey("hot")


def new(world, title="f", owner=None, **changes):
    draft = world.draft(owner or world.alice, title)
    values = {"expiry": world.now + DAY, "valid_until": world.now + 60} | changes
    return draft.new(world.nodes[:2], **values)


def send(world, *files):
    return world.call(world.alice, Publish(files))


def spoil(call, slot=1, **changes):
    holders = list(call.holders)
    holders[slot - 1] = replace(holders[slot - 1], **changes)
    return replace(call, holders=tuple(holders))


def test_a_published_file_is_recorded(world):
    draft, call = world.draft(world.alice, "f"), new(world)
    (event,) = send(world, call)
    assert event == FilePublished(
        file=draft.id,
        owner=world.alice.address,
        namespace=tag("ns"),
        name=tag("f"),
        manifest=draft.manifest,
        root=draft.root(),
        redundancy=TWO_COPIES,
        size=draft.size,
        expiry=world.now + DAY,
        holders=call.holders,
        replaces=None,
        label=b"label",
    )
    entry = world.entry(draft.id)
    assert entry.record == FileRecord(
        file=draft.id,
        owner=world.alice.address,
        namespace=tag("ns"),
        name=tag("f"),
        manifest=draft.manifest,
        root=draft.root(),
        redundancy=TWO_COPIES,
        size=draft.size,
        expiry=world.now + DAY,
        version=1,
        published=world.now,
        deleted=0,
        holders=(world.nodes[0].node, world.nodes[1].node),
    )
    holdings = [replace(draft.holding(slot), latest_expiry=world.now + DAY) for slot in (1, 2)]
    assert entry.slots == tuple(SlotEntry(0, holding) for holding in holdings)


def test_it_writes_only_keys_of_its_own(world):
    before = set(world.chain.state.values)
    draft = world.publish(world.alice, "f")
    assert set(world.chain.state.values) - before == {
        b"f/" + draft.id,
        name_key(world.alice.address, tag("ns"), tag("f")),
        holding_key(world.nodes[0].node, 0, draft.id, 1),
        holding_key(world.nodes[1].node, 0, draft.id, 2),
    }


def test_a_batch_is_taken_whole_or_not_at_all(world, refused):
    events = send(world, *(new(world, f"f{n}") for n in range(5)))
    assert len(events) == 5
    bad = spoil(new(world, "bad"), root=digest("other"))
    with refused(Refusal.RECEIPT, world.draft(world.alice, "bad").id.hex()):
        send(world, new(world, "good"), bad)


def test_the_size_of_a_batch_is_limited(world, refused):
    call = new(world)
    with refused(Refusal.INVALID):
        send(world)
    with refused(Refusal.TOO_LARGE, "257", "256"):
        send(world, *[call] * 257)


def test_an_id_is_used_once(world, refused):
    send(world, new(world))
    with refused(Refusal.FILE_EXISTS, "nonce"):
        send(world, new(world, name="another"))
    with refused(Refusal.FILE_EXISTS):
        send(world, new(world, "g"), new(world, "g", name="another"))


def test_a_namespace_of_ones_own_is_needed(world, refused):
    world.call(world.bob, namespace_call("bobs"))
    with refused(Refusal.NAMESPACE_UNKNOWN):
        send(world, new(world, namespace="bobs"))


@pytest.mark.parametrize(
    "redundancy",
    [
        Redundancy(Coding.COPIES, 1, 1),
        Redundancy(Coding.COPIES, 1, 3),
        Redundancy(Coding.ERASURE, 2, 3),
        Redundancy(Coding.COPIES, 2, 2),
    ],
)
def test_the_redundancy_is_the_namespaces(world, refused, redundancy):
    with refused(Refusal.POLICY, "copies, 1 of 2"):
        send(world, replace(new(world), redundancy=redundancy))


def test_every_slot_has_a_holder_of_its_own(world, refused):
    call = new(world)
    for holders in ((), call.holders[:1], (*call.holders, call.holders[0])):
        with refused(Refusal.HOLDERS):
            send(world, replace(call, holders=holders))
    draft = world.draft(world.alice, "f")
    same = draft.new([world.nodes[0]] * 2, expiry=world.now + 1, valid_until=world.now)
    with refused(Refusal.HOLDERS, "one node"):
        send(world, same)


def test_holders_are_registered_nodes(world, refused):
    draft = world.draft(world.alice, "f")
    nobody = NamedKey("nobody")
    call = draft.new([world.nodes[0], nobody], expiry=world.now + 1, valid_until=world.now)
    with refused(Refusal.NODE_UNKNOWN, nobody.node.hex()):
        send(world, call)


@pytest.mark.parametrize("life", [-DAY, 0, 10 * 366 * DAY + 1])
def test_expiry_lies_in_the_future(world, refused, life):
    with refused(Refusal.EXPIRY, "chain time"):
        send(world, new(world, expiry=world.now + life))


@pytest.mark.parametrize("life", [1, 10 * 366 * DAY])
def test_expiry_may_be_anywhere_within_the_longest_life(world, life):
    send(world, new(world, expiry=world.now + life))


@pytest.mark.parametrize(
    "changes",
    [
        {"leaves": 0, "replica_leaves": 0},
        {"leaves": 1},
        {"leaves": 2001},
        {"replica_leaves": 0},
        {"replica_leaves": 3},
        {"size": 0},
        {"size": 2049},
    ],
)
def test_counts_that_no_bytes_make_are_refused(world, refused, changes):
    with refused(Refusal.INVALID, "slot 2", "count them"):
        send(world, spoil(new(world), slot=2, **changes))


def test_numbers_stay_below_2_to_63(world, refused):
    for call in (
        replace(new(world), size=2**63),
        replace(new(world), expiry=2**64 - 1),
        spoil(new(world), latest_expiry=2**63),
    ):
        with refused(Refusal.INVALID):
            send(world, call)


def test_long_labels_are_refused(world, refused):
    with refused(Refusal.TOO_LARGE):
        send(world, replace(new(world), label=bytes(4097)))


@pytest.mark.parametrize("late", [-1, 3601])
def test_receipts_count_only_in_their_time(world, refused, late):
    with refused(Refusal.RECEIPT, "valid until", "ask the node"):
        send(world, new(world, valid_until=world.now + late))


@pytest.mark.parametrize("late", [0, 3600])
def test_receipts_count_to_the_last_second(world, late):
    send(world, new(world, valid_until=world.now + late))


def test_a_holder_accepted_the_expiry(world, refused):
    with refused(Refusal.EXPIRY, "slot 1", str(world.now + DAY)):
        send(world, replace(new(world), expiry=world.now + DAY + 1))
    send(world, replace(new(world), expiry=world.now + DAY - 1))


def receipt_for(world, call, slot=1):
    draft = world.draft(world.alice, "f")
    holder = call.holders[slot - 1]
    return Receipt(
        deployment=world.chain.deployment,
        file=draft.id,
        slot=slot,
        file_root=draft.root(),
        holding_root=holder.root,
        leaves=holder.leaves,
        replica_leaves=holder.replica_leaves,
        size=holder.size,
        latest_expiry=holder.latest_expiry,
        version=1,
        valid_until=holder.valid_until,
    )


@pytest.mark.parametrize(
    "change",
    [
        {"deployment": Deployment(ChainId(bytes(32)), Address(b"\x0c" * 20))},
        {"file": FileId(bytes(32))},
        {"slot": 2},
        {"file_root": digest("other")},
        {"holding_root": digest("other")},
        {"leaves": 3},
        {"replica_leaves": 1},
        {"size": 2001},
        {"latest_expiry": 1},
        {"version": 2},
        {"valid_until": 1},
    ],
)
def test_a_receipt_for_anything_else_does_not_count(world, refused, change):
    call = new(world)
    receipt = receipt_for(world, call)
    key = world.nodes[0]
    assert key.sign(receipt_digest(receipt)) == call.holders[0].signature
    other = key.sign(receipt_digest(replace(receipt, **change)))
    with refused(Refusal.RECEIPT, "slot 1", "ask the node for a new one"):
        send(world, spoil(call, signature=other))


def test_changing_what_a_receipt_covers_makes_it_void(world, refused):
    call = new(world)
    for spoiled in (
        spoil(call, root=digest("other")),
        spoil(call, leaves=3),
        spoil(call, replica_leaves=1),
        spoil(call, size=2001),
        spoil(call, latest_expiry=world.now + 2 * DAY),
        spoil(call, valid_until=world.now + 61),
        replace(call, manifest=digest("other")),
        replace(call, holders=call.holders[::-1]),
    ):
        with refused(Refusal.RECEIPT):
            send(world, spoiled)


@pytest.mark.parametrize("signature", [bytes(65), b"\xff" * 65, b"\1" * 64 + b"\2"])
def test_a_signature_that_is_none_is_refused(world, refused, signature):
    with refused(Refusal.RECEIPT):
        send(world, spoil(new(world), slot=2, signature=signature))


def test_only_the_nodes_own_signer_counts(world, refused):
    draft = world.draft(world.alice, "f")
    forged = draft.accepted(
        1, HOT, node=world.nodes[0], expiry=world.now + DAY, valid_until=world.now
    )
    call = new(world)
    with refused(Refusal.RECEIPT):
        send(world, replace(call, holders=(forged, call.holders[1])))


def test_the_signer_of_the_present_epoch_counts(world, refused):
    world.call(world.nodes[0], UpdateNode(signer=HOT.address))
    draft = world.draft(world.alice, "f")

    def call(key):
        first = draft.accepted(
            1, key, node=world.nodes[0], expiry=world.now + DAY, valid_until=world.now
        )
        return replace(new(world), holders=(first, new(world).holders[1]))

    with refused(Refusal.RECEIPT):
        send(world, call(HOT))
    world.chain.advance(3600)
    with refused(Refusal.RECEIPT, "epoch 1"):
        send(world, call(world.nodes[0]))
    send(world, call(HOT))


def test_the_receipt_of_another_owners_file_is_useless(world, refused):
    # the id hangs on the sender, so bob cannot publish under what nodes accepted for alice
    with refused(Refusal.RECEIPT):
        world.call(world.bob, Publish((new(world, owner=world.alice),)))


def test_a_live_name_belongs_to_one_file(world, refused):
    first = world.publish(world.alice, "a", name="name")
    with refused(Refusal.NAME_TAKEN, first.id.hex(), "choose another name"):
        send(world, new(world, "b", name="name"))
    world.publish(world.bob, "c", name="name")
    world.call(world.alice, namespace_call("other"))
    send(world, new(world, "d", name="name", namespace="other"))


def test_a_name_is_free_after_deletion_at_once(world):
    first = world.publish(world.alice, "a", name="name")
    world.call(world.alice, Delete(first.id))
    world.publish(world.alice, "b", name="name")


def test_a_name_is_free_after_expiry_and_retention(world, refused):
    world.publish(world.alice, "a", name="name", life=10)
    world.chain.advance(10 + world.parameters.retention - 1)
    with refused(Refusal.NAME_TAKEN):
        send(world, new(world, "b", name="name"))
    world.chain.advance(1)
    send(world, new(world, "b", name="name"))


def test_two_files_of_a_batch_do_not_share_a_name(world, refused):
    with refused(Refusal.NAME_TAKEN, "twice"):
        send(world, new(world, "a", name="name"), new(world, "b", name="name"))


def test_a_replaced_file_is_deleted_and_passes_its_name_on(world):
    old = world.publish(world.alice, "old", name="name")
    young = world.publish(world.alice, "young", name="name", replaces=old.id)
    assert world.record(old.id).deleted == world.now
    assert not world.record(old.id).is_live(world.now)
    assert world.record(young.id).name == tag("name")
    state = State(world.chain.state)
    assert state.named(world.alice.address, tag("ns"), tag("name")) == young.id


def test_replacing_may_take_another_name_and_namespace(world):
    world.call(world.alice, namespace_call("other"))
    old = world.publish(world.alice, "old")
    send(world, new(world, "young", namespace="other", replaces=old.id))
    assert world.record(old.id).deleted
    world.publish(world.alice, "again", name="old")


def test_names_go_round_within_a_batch(world):
    a, b = world.publish(world.alice, "a"), world.publish(world.alice, "b")
    send(
        world,
        new(world, "a2", name="c", replaces=a.id),
        new(world, "b2", name="a", replaces=b.id),
    )


@pytest.mark.parametrize("whose", ["bob", "nobody"])
def test_only_ones_own_file_can_be_replaced(world, refused, whose):
    theirs = world.publish(world.bob, "theirs")
    file, refusal = (
        (theirs.id, Refusal.NOT_ALLOWED)
        if whose == "bob"
        else (FileId(bytes(32)), Refusal.FILE_UNKNOWN)
    )
    with refused(refusal):
        send(world, new(world, replaces=file))
    assert not world.record(theirs.id).deleted


def test_only_a_live_file_can_be_replaced(world, refused):
    deleted = world.publish(world.alice, "deleted")
    world.call(world.alice, Delete(deleted.id))
    short = world.publish(world.alice, "short", life=10)
    world.chain.advance(10)
    for old in (deleted, short):
        with refused(Refusal.GONE, old.id.hex()):
            send(world, new(world, replaces=old.id))
    keep = world.publish(world.alice, "keep")
    with refused(Refusal.GONE):
        send(world, new(world, "x", replaces=keep.id), new(world, "y", replaces=keep.id))


def test_a_file_cannot_replace_one_of_its_own_batch_or_itself(world, refused):
    first = world.draft(world.alice, "a")
    with refused(Refusal.INVALID, "same call"):
        send(world, new(world, "a"), new(world, "b", replaces=first.id))
    with refused(Refusal.FILE_UNKNOWN):
        send(world, new(world, "a", replaces=first.id))


def test_many_slots():
    world = World(nodes=32)
    redundancy = Redundancy(Coding.ERASURE, 20, 32)
    world.call(world.alice, namespace_call("wide", redundancy))
    draft = world.draft(world.alice, "f", redundancy)
    call = draft.new(world.nodes, expiry=world.now + 1, valid_until=world.now, namespace="wide")
    send(world, call)
    assert world.record(draft.id).holders == tuple(node.node for node in world.nodes)


def test_holdings_are_entered_under_the_present_epoch(world):
    world.chain.advance(5 * 3600)
    draft = world.publish(world.alice, "f")
    value = world.chain.state.values[holding_key(world.nodes[0].node, 5, draft.id, 1)]
    assert decode(Holding, value) == world.entry(draft.id).slots[0].holding
