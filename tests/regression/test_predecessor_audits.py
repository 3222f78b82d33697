"""Mistakes of PaddleDTX XuperDB's audits that must not come back."""

from dataclasses import replace

import pytest

from xdb.core.sampling import draw, node_seed
from xdb.errors import RefusedCallError
from xdb.model.calls import Answer, Prove
from xdb.model.health import Colour, Reason, Verdict
from xdb.model.refusal import Refusal
from xdb.node.owner_care import PROBES_AT_LEAST
from xdb.services.health.look import Look
from xdb.testing.audits import AuditWorld
from xdb.testing.living import living


@pytest.fixture
async def world():
    async with living() as made:
        yield made


@pytest.fixture
def audits():
    world = AuditWorld()
    world.add("one")
    world.add("two")
    world.next_epoch()
    world.next_epoch()
    return world


def refused(world, call):
    """The refusal of a call that changes nothing."""
    before = dict(world.chain.state.values)
    with pytest.raises(RefusedCallError) as caught:
        world.call(world.nodes[0], call)
    assert world.chain.state.values == before
    return Refusal(caught.value.refusal)


# Merkle challenges were computed long before, from a generator seeded with a clock; a proof
# with zero hashes crashed the contract.


def test_a_proof_of_nothing_is_refused(audits):
    node = audits.nodes[0].node
    assert refused(audits, Prove(node, audits.epoch, ())) is Refusal.PROOF
    blank = (Answer((), None, None),) * audits.parameters.leaves_per_epoch
    assert refused(audits, Prove(node, audits.epoch, blank)) is Refusal.PROOF


@pytest.mark.parametrize("field", ["replica_path", "holding_path"])
def test_a_proof_without_hashes_is_refused(audits, field):
    proof = audits.proof(audits.nodes[0])
    bare = tuple(
        replace(answer, leaf=replace(answer.leaf, **{field: ()})) if answer.leaf else answer
        for answer in proof.answers
    )
    assert bare != proof.answers
    assert refused(audits, replace(proof, answers=bare)) is Refusal.PROOF


def test_what_is_asked_follows_from_a_seed_that_nobody_knew_before(audits):
    node = audits.nodes[0]
    first = audits.questions(node)
    assert first == audits.questions(node)
    audits.next_epoch()
    assert audits.questions(node) != first
    one, other = (node_seed(bytes([n]) * 32, node.node) for n in (1, 2))
    assert [draw(one, n, 0, 10**6) for n in range(64)] != [
        draw(other, n, 0, 10**6) for n in range(64)
    ]


# Anyone could post challenges that turned an honest node red; there were no deadlines, so a
# silent node never failed.


async def test_what_an_owner_says_of_a_node_stays_with_the_owner(world):
    view = await world.bench.upload(b"x" * 200_000)
    await world.epochs(3)
    honest = view.record.holders[0]
    world.net.tamper = lambda data, node: bytes(len(data)) if node == honest else data
    height = world.net.chain.head.height
    report = await world.auditor.run_once()
    assert report.wrong
    assert world.net.chain.head.height == height
    world.net.tamper = lambda data, _node: data
    await world.epochs(2)
    verdicts = [each.verdict for each in world.net.index.audits.verdicts(honest, 0)]
    assert set(verdicts) == {Verdict.PROVED}
    look = Look(world.net.index, world.observations, world.net.index.head.time)
    assert look.node(honest).health.colour is Colour.GREEN


async def test_a_node_that_says_nothing_has_missed_when_the_next_epoch_begins(world):
    view = await world.bench.upload(b"x" * 200_000)
    await world.epochs(2)
    silent = view.record.holders[0]
    world.net.members[silent].up = False
    await world.epochs(1)
    await world.begin_epoch()
    (*_, last) = world.net.index.audits.verdicts(silent, 0)
    assert (last.epoch, last.verdict) == (world.epoch - 1, Verdict.MISSED)


async def test_a_node_that_says_nothing_is_noticed_within_the_time_that_the_chain_names(world):
    view = await world.bench.upload(b"x" * 200_000)
    await world.epochs(1)
    silent, limit = view.record.holders[0], world.net.chain.parameters.unreachable
    world.net.members[silent].up = False
    for _ in range(PROBES_AT_LEAST + 1):
        await world.auditor.run_once()
        look = Look(world.net.index, world.observations, world.net.index.head.time)
        last = world.net.index.head.time
        world.net.chain.advance(limit // PROBES_AT_LEAST)
        await world.net.caught_up()
    assert {each.reason for each in look.node(silent).triggers} == {Reason.SILENT}
    assert last - world.observations.silence(silent).first == limit
    for other in set(world.net.members) - {silent}:
        assert not look.node(other).triggers
