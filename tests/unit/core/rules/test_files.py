from dataclasses import replace

import pytest

from xdb.core.rules.state import State
from xdb.model.calls import Delete, Move, Release, Rename, Renew, Renewal, SetNodeState, UpdateNode
from xdb.model.events import FileDeleted, FileReleased, FileRenamed, FileRenewed
from xdb.model.ids import FileId
from xdb.model.refusal import Refusal
from xdb.model.registry import NodeState
from xdb.testing.keys import NamedKey
from xdb.testing.registry import DAY, digest, tag

NOTHING = FileId(bytes(32))


def renewal(world, draft, slot, expiry, **changes):
    values = {"expiry": expiry, "valid_until": world.now} | changes
    return Renewal(slot, draft.accepted(slot, world.nodes[slot - 1], **values))


def renewals(world, draft, expiry):
    return tuple(renewal(world, draft, slot, expiry) for slot in (1, 2))


# ---------------------------------------------------------------- renew


def test_renewal_beyond_what_was_accepted_needs_new_receipts(world, refused):
    draft = world.publish(world.alice, "f")
    later = world.now + 2 * DAY
    with refused(Refusal.EXPIRY, "slots 1, 2"):
        world.call(world.alice, Renew(draft.id, later, ()))
    one, two = renewals(world, draft, later)
    with refused(Refusal.EXPIRY, "slots 2"):
        world.call(world.alice, Renew(draft.id, later, (one,)))
    assert world.call(world.alice, Renew(draft.id, later, (two, one))) == (
        FileRenewed(draft.id, later, (two, one)),
    )
    record = world.record(draft.id)
    assert (record.expiry, record.version, record.deleted) == (later, 1, 0)


def test_within_what_was_accepted_no_receipt_is_needed(world, refused):
    draft = world.publish(world.alice, "f")
    roomy = renewals(world, draft, world.now + 9 * DAY)
    world.call(world.alice, Renew(draft.id, world.now + 2 * DAY, roomy))
    world.call(world.alice, Renew(draft.id, world.now + 9 * DAY, ()))
    with refused(Refusal.EXPIRY):
        world.call(world.alice, Renew(draft.id, world.now + 9 * DAY + 1, ()))


def test_an_older_acceptance_is_not_lowered(world):
    draft = world.publish(world.alice, "f")
    world.call(
        world.alice, Renew(draft.id, world.now + DAY, renewals(world, draft, world.now + 9 * DAY))
    )
    world.call(
        world.alice, Renew(draft.id, world.now + DAY, renewals(world, draft, world.now + DAY))
    )
    world.call(world.alice, Renew(draft.id, world.now + 9 * DAY, ()))


def test_renewal_never_shortens(world, refused):
    draft = world.publish(world.alice, "f")
    with refused(Refusal.EXPIRY, "earlier", "delete it"):
        world.call(world.alice, Renew(draft.id, world.now + DAY - 1, ()))


@pytest.mark.parametrize("life", [0, -1, 10 * 366 * DAY + 1])
def test_renewal_is_into_the_future_but_not_too_far(world, refused, life):
    draft = world.publish(world.alice, "f", life=10)
    world.chain.advance(10)
    with refused(Refusal.EXPIRY, "chain time"):
        world.call(world.alice, Renew(draft.id, world.now + life, ()))


def test_a_deleted_file_comes_back(world, refused):
    draft = world.publish(world.alice, "f", life=100 * DAY)
    expiry = world.record(draft.id).expiry
    world.call(world.alice, Delete(draft.id))
    world.chain.advance(world.parameters.retention - 1)
    world.call(world.alice, Renew(draft.id, expiry, ()))
    assert world.record(draft.id).is_live(world.now)
    other = world.publish(world.alice, "g")
    with refused(Refusal.NAME_TAKEN):
        world.call(world.alice, Rename(other.id, tag("f"), b""))


def test_an_expired_file_comes_back(world):
    draft = world.publish(world.alice, "f", life=10)
    world.chain.advance(10 + world.parameters.retention - 1)
    later = world.now + DAY
    world.call(world.alice, Renew(draft.id, later, renewals(world, draft, later)))
    assert world.record(draft.id).is_live(world.now)


def test_what_is_gone_does_not_come_back(world, refused):
    deleted, expired = (world.publish(world.alice, t, life=10) for t in ("deleted", "expired"))
    world.call(world.alice, Delete(deleted.id))
    world.chain.advance(10 + world.parameters.retention)
    for draft in (deleted, expired):
        later = world.now + DAY
        with refused(Refusal.GONE, draft.id.hex(), "upload it again"):
            world.call(world.alice, Renew(draft.id, later, renewals(world, draft, later)))


def test_a_file_comes_back_only_while_its_name_is_free(world, refused):
    draft = world.publish(world.alice, "f", name="name")
    world.call(world.alice, Delete(draft.id))
    other = world.publish(world.alice, "g", name="name")
    back = Renew(draft.id, world.now + DAY, ())
    with refused(Refusal.NAME_TAKEN, other.id.hex()):
        world.call(world.alice, back)
    world.call(world.alice, Rename(other.id, tag("elsewhere"), b""))
    world.call(world.alice, back)


@pytest.mark.parametrize(
    "changes",
    [{"root": digest("x")}, {"leaves": 3}, {"replica_leaves": 1}, {"size": 1999}],
)
def test_a_renewal_is_of_the_same_holding(world, refused, changes):
    draft = world.publish(world.alice, "f")
    later = world.now + 2 * DAY
    one, two = renewals(world, draft, later)
    spoiled = replace(one, holder=replace(one.holder, **changes))
    with refused(Refusal.ROOT, "slot 1"):
        world.call(world.alice, Renew(draft.id, later, (spoiled, two)))


def test_a_renewals_receipt_is_in_order(world, refused):
    draft = world.publish(world.alice, "f")
    later = world.now + 2 * DAY
    one, two = renewals(world, draft, later)
    for spoiled, refusal in (
        (renewal(world, draft, 1, later, valid_until=world.now - 1), Refusal.RECEIPT),
        (renewal(world, draft, 1, later, valid_until=world.now + 3601), Refusal.RECEIPT),
        (renewal(world, draft, 1, later, version=2), Refusal.RECEIPT),
        (renewal(world, draft, 1, later - 1), Refusal.EXPIRY),
        (replace(one, holder=replace(one.holder, signature=two.holder.signature)), Refusal.RECEIPT),
        (replace(one, holder=replace(one.holder, node=world.nodes[3].node)), Refusal.HOLDERS),
        (replace(one, slot=0), Refusal.SLOT),
        (replace(one, slot=3), Refusal.SLOT),
        (replace(one, slot=2), Refusal.SLOT),
    ):
        with refused(refusal):
            world.call(world.alice, Renew(draft.id, later, (spoiled, two)))
    with refused(Refusal.TOO_LARGE):
        world.call(world.alice, Renew(draft.id, later, (one, two, one)))


def test_holders_that_take_nothing_new_may_renew(world):
    draft = world.publish(world.alice, "f", life=100 * DAY)
    world.call(world.nodes[0], SetNodeState(NodeState.DRAINING))
    world.call(world.nodes[1], SetNodeState(NodeState.OFFLINE))
    later = world.now + 200 * DAY
    world.call(world.alice, Renew(draft.id, later, renewals(world, draft, later)))


def test_a_holder_renews_with_its_present_signer(world, refused):
    draft, hot = world.publish(world.alice, "f", life=100 * DAY), NamedKey("hot")
    world.call(world.nodes[0], UpdateNode(signer=hot.address))
    world.chain.advance(3600)
    later = world.now + 200 * DAY
    one, two = renewals(world, draft, later)
    with refused(Refusal.RECEIPT):
        world.call(world.alice, Renew(draft.id, later, (one, two)))
    holder = draft.accepted(1, hot, node=world.nodes[0], expiry=later, valid_until=world.now)
    world.call(world.alice, Renew(draft.id, later, (Renewal(1, holder), two)))


# ---------------------------------------------------------------- rename


def test_a_rename_frees_the_old_name_and_takes_the_new(world, refused):
    draft = world.publish(world.alice, "f")
    assert world.call(world.alice, Rename(draft.id, tag("g"), b"new")) == (
        FileRenamed(draft.id, tag("g"), b"new"),
    )
    assert world.record(draft.id).name == tag("g")
    assert world.record(draft.id).version == 1
    other = world.publish(world.alice, "f2", name="f")
    with refused(Refusal.NAME_TAKEN, draft.id.hex()):
        world.call(world.alice, Rename(other.id, tag("g"), b""))


def test_a_rename_to_the_same_name_changes_the_label(world):
    draft = world.publish(world.alice, "f")
    world.call(world.alice, Rename(draft.id, tag("f"), b"new"))
    assert State(world.chain.state).named(world.alice.address, tag("ns"), tag("f")) == draft.id


def test_only_live_files_are_renamed(world, refused):
    deleted = world.publish(world.alice, "deleted")
    expired = world.publish(world.alice, "expired", life=10)
    world.call(world.alice, Delete(deleted.id))
    world.chain.advance(10)
    for draft in (deleted, expired):
        with refused(Refusal.GONE, "renew it first"):
            world.call(world.alice, Rename(draft.id, tag("new"), b""))


def test_labels_stay_limited(world, refused):
    draft = world.publish(world.alice, "f")
    with refused(Refusal.TOO_LARGE):
        world.call(world.alice, Rename(draft.id, tag("g"), bytes(4097)))


# ---------------------------------------------------------------- delete, release


def test_deletion_starts_retention(world, refused):
    draft = world.publish(world.alice, "f")
    world.chain.advance(5)
    assert world.call(world.alice, Delete(draft.id)) == (FileDeleted(draft.id),)
    record = world.record(draft.id)
    assert record.deleted == world.now
    assert record.gone(world.parameters.retention) == world.now + world.parameters.retention
    with refused(Refusal.GONE, "nothing to do"):
        world.call(world.alice, Delete(draft.id))


def test_deleting_an_expired_file_frees_its_name_and_does_not_prolong_it(world):
    draft = world.publish(world.alice, "f", life=10)
    gone = world.record(draft.id).gone(world.parameters.retention)
    world.chain.advance(20)
    world.call(world.alice, Delete(draft.id))
    assert world.record(draft.id).gone(world.parameters.retention) == gone
    world.publish(world.alice, "g", name="f")


def test_anybody_releases_what_is_gone_and_nothing_of_it_stays(world, refused):
    before = dict(world.chain.state.values)
    draft = world.publish(world.alice, "f", life=10)
    world.chain.advance(10 + world.parameters.retention - 1)
    for who in (world.alice, world.bob, world.nodes[0]):
        with refused(Refusal.NOT_GONE, "release it from then on"):
            world.call(who, Release(draft.id))
    world.chain.advance(1)
    assert world.call(world.bob, Release(draft.id)) == (FileReleased(draft.id),)
    assert world.chain.state.values == before
    with refused(Refusal.FILE_UNKNOWN):
        world.call(world.bob, Release(draft.id))


def test_release_after_moves_leaves_nothing_behind(world):
    before = dict(world.chain.state.values)
    draft = world.publish(world.alice, "f", life=100 * DAY)
    expiry = world.record(draft.id).expiry
    for version, node in enumerate([2, 3, 2], start=1):
        world.chain.advance(3600)
        holder = draft.accepted(
            1, world.nodes[node], expiry=expiry, valid_until=world.now, version=version + 1
        )
        world.call(world.alice, Move(draft.id, version, 1, holder))
    world.call(world.alice, Delete(draft.id))
    world.chain.advance(world.parameters.retention)
    world.call(world.bob, Release(draft.id))
    assert world.chain.state.values == before


def test_release_spares_a_name_that_another_file_took(world):
    old = world.publish(world.alice, "old", name="name", life=10)
    world.chain.advance(10 + world.parameters.retention)
    young = world.publish(world.alice, "young", name="name")
    world.call(world.bob, Release(old.id))
    assert State(world.chain.state).named(world.alice.address, tag("ns"), tag("name")) == young.id


# ---------------------------------------------------------------- whose


def calls_on(file):
    return [
        Renew(file, 2_000_000_000, ()),
        Rename(file, tag("x"), b""),
        Delete(file),
    ]


@pytest.mark.parametrize("number", range(3))
def test_only_the_owner_changes_a_file(world, refused, number):
    draft = world.publish(world.alice, "f")
    call = calls_on(draft.id)[number]
    for stranger in (world.bob, world.nodes[0]):
        with refused(Refusal.NOT_ALLOWED, "only its owner"):
            world.call(stranger, call)
    with refused(Refusal.FILE_UNKNOWN):
        world.call(world.alice, calls_on(NOTHING)[number])
    world.call(world.alice, Delete(draft.id))
    world.chain.advance(world.parameters.retention)
    with refused(Refusal.GONE):
        world.call(world.alice, call)
