"""Chains that count epochs in blocks."""

from xdb.index.index import Index
from xdb.index.moment import anchored
from xdb.model.events import BucketsSealed, FilePublished, HoldingRef, SeedRevealed
from xdb.model.registry import Parameters
from xdb.ports.blockchain import BlockEpoch, BlockEvents, Rollback
from xdb.store.kv_memory import MemoryKeyValue
from xdb.testing.registry import START, World, digest, node_call

EPOCH = 1200
PARAMETERS = Parameters(start=START, epoch=EPOCH)


def block(height, time, epoch, *events, enters=None):
    """A block; epochs begin when blocks say so, not when time would."""
    number, start = epoch
    return BlockEvents(
        height, time, tuple(events), BlockEpoch(number, start, number if enters is None else enters)
    )


async def fed(*blocks, kv=None):
    index = Index(kv or MemoryKeyValue(), PARAMETERS)
    for item in blocks:
        await index.apply(item)
    return index


def test_parameters_fit_the_present_epoch():
    slow = anchored(PARAMETERS, BlockEpoch(10, START + 10 * EPOCH + 500, 10))
    assert slow.start_of(10) == START + 10 * EPOCH + 500
    assert slow.epoch_at(START + 10 * EPOCH + 500) == 10
    assert slow.epoch_at(START + 11 * EPOCH + 499) == 10
    assert anchored(PARAMETERS, None) is PARAMETERS


async def test_the_index_counts_as_the_chain_does():
    late = START + 3 * EPOCH
    index = await fed(
        block(1, START, (0, START)),
        block(2, late, (1, late)),
        block(3, late + 10, (1, late), SeedRevealed(1, digest("seed"))),
    )
    assert index.poisoned == 0
    assert index.audits.seed().epoch == 1
    assert index.parameters.epoch_at(index.head.time) == 1
    assert index.parameters.start_of(1) == late
    await index.apply(Rollback(1))
    assert index.parameters.start_of(0) == START
    assert index.parameters.epoch_at(START + 5) == 0


async def test_a_restarted_index_counts_on():
    kv, late = MemoryKeyValue(), START + 5 * EPOCH
    await fed(block(1, START, (0, START)), block(2, late, (1, late)), kv=kv)
    index = Index(kv, PARAMETERS)
    assert index.parameters.epoch_at(late) == 1


async def test_what_enters_shortly_before_an_epoch_is_drawn_only_after_it():
    world = World(nodes=2)
    node, draft = world.nodes[0], world.draft(world.alice, "one")
    new = draft.new(world.nodes, expiry=START + 9 * EPOCH, valid_until=START + 10)
    published = FilePublished(
        draft.id,
        world.alice.address,
        new.namespace,
        new.name,
        new.manifest,
        draft.root(),
        new.redundancy,
        new.size,
        new.expiry,
        new.holders,
        None,
        b"",
    )
    (registered,) = World(nodes=0).call(node, node_call(node))
    entered = BucketsSealed(node.node, 0, 0, (HoldingRef(draft.id, 1),))
    early = await fed(block(1, START, (0, START), registered, published, entered))
    frozen = await fed(block(1, START, (0, START), registered, published, entered, enters=1))
    assert early.poisoned == frozen.poisoned == 0
    assert [early.audits.leaves(node.node, epoch) for epoch in range(3)] == [0, 2, 2]
    assert [frozen.audits.leaves(node.node, epoch) for epoch in range(3)] == [0, 0, 2]
