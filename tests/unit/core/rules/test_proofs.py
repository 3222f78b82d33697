"""Every answer that must not pass, and those that must."""

from dataclasses import replace

import pytest

from xdb.core import merkle
from xdb.core.sampling import ATTEMPTS
from xdb.model.calls import (
    Answer,
    Delete,
    Prove,
    Release,
    SetNodeState,
    Shrink,
    Surrender,
    UpdateNode,
)
from xdb.model.events import HoldingRef, ProofAccepted
from xdb.model.ids import Digest
from xdb.model.refusal import Refusal
from xdb.model.registry import NodeState
from xdb.testing.audits import EPOCH, LEAF, AuditWorld
from xdb.testing.registry import DAY

ZERO = Digest(bytes(32))


@pytest.fixture
def world():
    """Two files sealed with nodes 0 and 1, at the start of an epoch that has its seed."""
    world = AuditWorld()
    world.add("one")
    world.add("two")
    world.next_epoch()
    world.next_epoch()
    return world


@pytest.fixture
def node(world):
    return world.nodes[0]


@pytest.fixture
def proof(world, node):
    return world.proof(node)


def spoiled(proof, **changes):
    """The proof with something else in its first leaf."""
    first = proof.answers[0]
    leaf = replace(first.leaf, **changes)
    return replace(proof, answers=(replace(first, leaf=leaf), *proof.answers[1:]))


# ---------------------------------------------------------------- accepted


def test_true_answers_are_accepted(world, node, proof):
    assert world.call(node, proof) == (ProofAccepted(node.node, world.epoch, ()),)


def test_every_node_every_epoch(world):
    for _ in range(4):
        for node in world.nodes[:2]:
            world.call(node, world.proof(node))
        world.next_epoch()


def test_a_wrong_proof_may_be_repeated(world, node, proof, refused):
    with refused(Refusal.PROOF):
        world.call(node, spoiled(proof, data=b"x" * LEAF))
    world.call(node, proof)


def test_admitted_losses_are_ended_and_the_rest_counts(world, node):
    event = world.call(node, world.proof(node, frozenset({0})))[0]
    lost = world.segments(node)[0]
    assert event.lost == (HoldingRef(lost.file, lost.slot),)
    assert lost.ended == world.epoch + 1
    assert not world.segments(node)[1].ended


def test_holes_are_drawn_again(world, node):
    ended = world.segments(node)[0]
    world.call(node, Surrender(node.node, ended.file, ended.slot))
    world.next_epoch()
    proof = world.proof(node)
    assert any(answer.holes for answer in proof.answers)
    world.call(node, proof)


def test_a_draw_that_meets_only_holes_is_void(world, node):
    for held in world.segments(node):
        world.call(node, Surrender(node.node, held.file, held.slot))
    world.next_epoch()
    proof = world.proof(node)
    assert all(len(answer.holes) == ATTEMPTS and not answer.leaf for answer in proof.answers)
    world.call(node, proof)


def test_what_ended_in_this_epoch_may_still_be_asked_for(world, node):
    held = world.segments(node)[0]
    world.call(node, Surrender(node.node, held.file, held.slot))
    assert not any(answer.holes for answer in world.answers(node))
    world.call(node, world.proof(node))


def test_what_was_given_up_in_this_epoch_is_admitted_again(world, node):
    held = world.segments(node)[0]
    world.call(node, Surrender(node.node, held.file, held.slot))
    (event,) = world.call(node, world.proof(node, frozenset({0})))
    assert event.lost == (HoldingRef(held.file, held.slot),)


def test_what_the_record_does_not_name_any_more_is_not_lost(world, node):
    held = world.segments(node)[0]
    draft = world.drafts[held.file]
    roots = [draft.holding(slot).root for slot in (1, 2)]
    siblings = merkle.shrink_siblings([draft.manifest, *roots])
    second = world.nodes[1]
    index, dropped = next(
        (n, each) for n, each in enumerate(world.segments(second)) if each.file == held.file
    )
    world.call(world.alice, Shrink(held.file, 1, siblings))
    (event,) = world.call(second, world.proof(second, frozenset({index})))
    assert event.lost == ()
    assert world.segments(second)[index] == replace(dropped, ended=world.epoch + 1)


def test_a_file_past_retention_is_a_hole_without_being_released(world, node):
    held = world.segments(node)[0]
    world.call(world.alice, Delete(held.file))
    world.chain.advance(world.parameters.retention)
    world.next_epoch()
    assert any(answer.holes for answer in world.answers(node))
    world.call(node, world.proof(node))


def test_a_file_released_in_the_open_epoch_is_not_asked_for(world, node):
    """Its holders have rightly removed it: nobody can be made to fail by a release."""
    held = world.segments(node)[0]
    world.call(world.alice, Delete(held.file))
    world.chain.advance(world.parameters.retention)
    world.next_epoch()
    before = world.answers(node)
    assert any(answer.holes for answer in before)
    world.call(world.bob, Release(held.file))
    assert world.answers(node) == before
    world.call(node, world.proof(node))


def test_a_replaced_signer_proves_until_the_epoch_ends(world, node, refused):
    successor = world.nodes[3]
    world.call(node, UpdateNode(signer=successor.address))
    with refused(Refusal.NOT_ALLOWED):
        world.call(successor, world.proof(node))
    world.call(node, world.proof(node))
    world.next_epoch()
    with refused(Refusal.NOT_ALLOWED):
        world.call(node, world.proof(node))
    world.call(successor, world.proof(node))


def test_a_node_that_is_offline_is_still_asked_and_may_answer(world, node, proof):
    world.call(node, SetNodeState(NodeState.OFFLINE))
    world.call(node, proof)


# ---------------------------------------------------------------- wrong bytes and paths


def flipped(data):
    return bytes([data[0] ^ 1]) + data[1:]


def test_a_flipped_bit(world, node, proof, refused):
    leaf = proof.answers[0].leaf
    with refused(Refusal.PROOF, "draw 0", "does not lead to the root"):
        world.call(node, spoiled(proof, data=flipped(leaf.data)))


def with_node(path, at):
    return (*path[:at], Digest(flipped(path[at])), *path[at + 1 :])


@pytest.mark.parametrize(
    "change",
    [
        lambda path: with_node(path, 0),
        lambda path: with_node(path, len(path) - 1),
        lambda path: path[:-1],
        lambda path: (*path, ZERO),
        lambda _: (),
    ],
)
@pytest.mark.parametrize("path", ["replica_path", "holding_path"])
def test_a_wrong_path(world, proof, refused, path, change):
    nodes = change(getattr(proof.answers[0].leaf, path))
    with refused(Refusal.PROOF):
        world.call(world.nodes[0], spoiled(proof, **{path: nodes}))


def test_an_inner_node_is_no_leaf(world, node, proof, refused):
    leaf = proof.answers[0].leaf
    with refused(Refusal.PROOF):
        world.call(
            node,
            spoiled(
                proof,
                data=leaf.data[:32] + leaf.replica_path[0],
                replica_path=leaf.replica_path[1:],
            ),
        )


@pytest.mark.parametrize("length", [0, 1, LEAF, 5 * LEAF - 1, 5 * LEAF + 1, 2**40])
def test_another_replica_length(world, node, proof, refused, length):
    if length == proof.answers[0].leaf.replica_length:
        pytest.skip("the true length")
    with refused(Refusal.PROOF):
        world.call(node, spoiled(proof, replica_length=length))


def test_a_leaf_cut_short_or_grown(world, node, proof, refused):
    leaf = proof.answers[0].leaf
    for data in (leaf.data[:-1], leaf.data + b"\0", b""):
        with refused(Refusal.PROOF, "where"):
            world.call(node, spoiled(proof, data=data))


def test_the_answer_to_another_draw(world, node, proof, refused):
    answers = proof.answers
    others = [a for a in answers if a.leaf.data != answers[0].leaf.data]
    with refused(Refusal.PROOF, "draw 0"):
        world.call(node, replace(proof, answers=(others[0], *answers[1:])))


def test_reordered_answers(world, node, proof, refused):
    with refused(Refusal.PROOF):
        world.call(node, replace(proof, answers=proof.answers[::-1]))


@pytest.mark.parametrize("change", [lambda a: a[:-1], lambda a: (*a, a[0]), lambda _: ()])
def test_too_few_or_too_many_answers(world, node, proof, refused, change):
    with refused(Refusal.PROOF, "answers to 12 draws"):
        world.call(node, replace(proof, answers=change(proof.answers)))


def test_another_nodes_replica_of_the_same_file(world, node, refused):
    other = world.nodes[1]
    with refused(Refusal.PROOF):
        world.call(node, Prove(node.node, world.epoch, world.answers(other)))


# ---------------------------------------------------------------- segments and holes


def test_another_segment(world, node, proof, refused):
    wrong = 1 - proof.answers[0].leaf.segment
    with refused(Refusal.PROOF, "does not lie in segment"):
        world.call(node, spoiled(proof, segment=wrong))


@pytest.mark.parametrize("segment", [2, 2**62])
def test_a_segment_that_is_not_there(world, node, proof, refused, segment):
    with refused(Refusal.PROOF, "does not lie in segment"):
        world.call(node, spoiled(proof, segment=segment))


def test_a_live_segment_claimed_to_be_a_hole(world, node, proof, refused):
    first = proof.answers[0]
    claimed = replace(first, holes=(first.leaf.segment,))
    with refused(Refusal.PROOF, "is no hole"):
        world.call(node, replace(proof, answers=(claimed, *proof.answers[1:])))


def test_a_hole_claimed_to_be_live(world, node, refused):
    ended = world.segments(node)[0]
    world.call(node, Surrender(node.node, ended.file, ended.slot))
    world.next_epoch()
    proof = world.proof(node)
    at = next(i for i, answer in enumerate(proof.answers) if answer.holes)
    answers = list(proof.answers)
    answers[at] = Answer((), None, answers[at].holes[0])
    with refused(Refusal.PROOF, "is a hole"):
        world.call(node, replace(proof, answers=tuple(answers)))


@pytest.mark.parametrize(
    "answer", [Answer((), None, None), Answer((0,) * 17, None, None), Answer((0,) * 16, None, 0)]
)
def test_no_answer_and_too_much_of_one(world, node, proof, refused, answer):
    with refused(Refusal.PROOF):
        world.call(node, replace(proof, answers=(answer, *proof.answers[1:])))


def test_shown_and_lost_at_once(world, node, proof, refused):
    first = proof.answers[0]
    both = replace(first, lost_segment=first.leaf.segment)
    with refused(Refusal.PROOF, "show the leaf or admit"):
        world.call(node, replace(proof, answers=(both, *proof.answers[1:])))


# ---------------------------------------------------------------- time and sender


def test_a_second_proof(world, node, proof, refused):
    world.call(node, proof)
    with refused(Refusal.PROVED):
        world.call(node, proof)


def test_yesterdays_proof(world, node, proof, refused):
    world.next_epoch()
    with refused(Refusal.EPOCH, "closed"):
        world.call(node, proof)
    with refused(Refusal.PROOF):
        world.call(node, replace(proof, epoch=world.epoch))


def test_before_there_is_a_seed(world, node, proof, refused):
    world.next_epoch(seed=False)
    with refused(Refusal.SEED, "wait until it is revealed"):
        world.call(node, replace(proof, epoch=world.epoch))


def test_an_epoch_stays_open_until_the_next_seed(world, node, proof):
    world.next_epoch(seed=False)
    world.chain.advance(EPOCH // 4)
    world.call(node, proof)


def test_another_sender(world, proof, refused):
    for sender in (world.nodes[1], world.alice):
        with refused(Refusal.NOT_ALLOWED):
            world.call(sender, proof)


def test_for_another_node(world, proof, refused):
    other = world.nodes[1]
    with refused(Refusal.PROOF):
        world.call(other, replace(proof, node=other.node))


def test_a_node_that_had_nothing_when_the_epoch_began(world, refused):
    idle = world.nodes[3]
    with refused(Refusal.EPOCH, "had nothing to prove"):
        world.call(idle, Prove(idle.node, world.epoch, ()))


def test_what_was_sealed_in_this_epoch_does_not_count_for_it(world, node):
    world.add("three", life=60 * DAY)
    world.next_epoch()
    before = {question.span.file for question in world.questions(node)}
    assert len(world.segments(node)) == 3
    assert world.segments(node)[2].file not in before
    world.call(node, world.proof(node))


def test_old_buckets_must_be_sealed_first(world, node, refused):
    world.add("three")
    world.next_epoch(seal=False)
    world.next_epoch(seal=False)
    with refused(Refusal.UNSEALED, "call Seal"):
        world.call(node, world.proof(node))
