from dataclasses import replace

import pytest

from xdb.core.encoding import encode
from xdb.core.merkle import shrink_siblings
from xdb.core.rules.segments import is_hole, space
from xdb.core.rules.state import State
from xdb.errors import InvalidRequestError
from xdb.index import audits as audits_module
from xdb.index import proofs
from xdb.index.index import Index
from xdb.index.keys import AuditEntry, audit_key, epoch_key
from xdb.index.paging import SCANNED
from xdb.index.views import AuditCounts, HeartbeatDay, Loss
from xdb.model.calls import Heartbeat, Move, Release, SetNodeState, Shrink, Surrender
from xdb.model.events import HoldingRef, ProofAccepted, SeedRevealed
from xdb.model.health import EpochVerdict, Verdict
from xdb.model.registry import NodeState
from xdb.ports.blockchain import BlockEvents
from xdb.store.kv_memory import MemoryKeyValue
from xdb.testing.audits import EPOCH, AuditWorld
from xdb.testing.registry import DAY

PROVED, FAILED, MISSED, VOID = Verdict


class Indexed(AuditWorld):
    """An audited chain followed by an index, by hand."""

    def __init__(self, **options):
        super().__init__(**options)
        self.index = Index(MemoryKeyValue(), self.parameters)

    async def follow(self):
        last = self.chain.head
        async for item in self.chain.events().follow(self.index.head.height):
            await self.index.apply(item)
            head = self.index.head
            if head.height == last.height and head.final >= last.final:
                return

    def moved(self, draft, slot, node):
        record = self.record(draft.id)
        holder = draft.accepted(
            slot,
            self.nodes[node],
            expiry=record.expiry,
            valid_until=self.now,
            version=record.version + 1,
        )
        self.call(self.alice, Move(draft.id, record.version, slot, holder))

    async def verdicts(self, node=0, first=0):
        await self.follow()
        return self.index.audits.verdicts(self.nodes[node].node, first)


@pytest.fixture
def world():
    return Indexed()


def same_as_the_rules(world):
    state, context = State(world.chain.state), world.chain.context()
    audits = world.index.audits
    for key in world.nodes:
        epoch = world.epoch
        extent = space(state, key.node).before(epoch)
        assert audits.leaves(key.node, epoch) == (extent.leaves if extent else 0)
        assert (audits.unsealed(key.node) is not None) == any(state.scan(b"o/" + key.node, 1))
        for index, held in enumerate(world.segments(key)):
            for leaf in (held.start, held.start + held.holding.leaves - 1):
                span = audits.span_at(key.node, leaf, epoch)
                assert (span.index, span.start, span.file, span.slot) == (
                    index,
                    held.start,
                    held.file,
                    held.slot,
                )
                assert (span.leaves, span.replica_leaves) == (
                    held.holding.leaves,
                    held.holding.replica_leaves,
                )
                assert span.hole == is_hole(context, state, held, epoch)


async def test_segments_are_those_of_the_rules_through_a_holdings_life(world):
    first, second = world.add("one"), world.add("two", life=DAY)
    await world.follow()
    assert world.index.audits.unsealed(world.nodes[0].node) == world.epoch
    same_as_the_rules(world)
    world.next_epoch()
    await world.follow()
    same_as_the_rules(world)
    world.moved(first, 1, 2)
    world.call(world.nodes[1], Surrender(world.nodes[1].node, second.id, 2))
    await world.follow()
    same_as_the_rules(world)
    for _ in range(3):
        world.next_epoch()
        await world.follow()
        same_as_the_rules(world)
    world.moved(first, 1, 0)
    world.moved(second, 2, 1)
    world.next_epoch()
    world.chain.advance(DAY + world.parameters.retention)
    world.call(world.bob, Release(second.id))
    world.next_epoch()
    await world.follow()
    same_as_the_rules(world)
    assert len(world.segments(world.nodes[0])) == 3


async def test_a_leaf_before_the_first_segment_is_a_mistake(world):
    with pytest.raises(ValueError, match="no segment"):
        world.index.audits.span_at(world.nodes[0].node, 0, 0)


async def test_an_epoch_is_judged_when_the_next_seed_appears(world):
    world.add("f")
    world.next_epoch()
    world.next_epoch()
    epoch, (first, second, *_) = world.epoch, world.nodes
    world.call(first, world.proof(first))
    assert await world.verdicts(0) == ()
    audit = world.index.audits.audit(first.node, epoch)
    assert (audit.verdict, audit.is_open, audit.time) == (PROVED, True, world.now)
    assert world.index.audits.audit(second.node, epoch).verdict is None
    assert world.index.audits.audit(world.nodes[3].node, epoch) is None
    world.next_epoch()
    assert await world.verdicts(0) == (EpochVerdict(epoch, PROVED),)
    assert await world.verdicts(1) == (EpochVerdict(epoch, MISSED),)
    missed = world.index.audits.audit(second.node, epoch)
    assert (missed.is_open, missed.time) == (False, world.now)
    assert await world.verdicts(3) == ()


async def test_an_admitted_loss_is_a_failure_that_names_it(world):
    draft = world.add("f")
    world.next_epoch()
    world.next_epoch()
    first, second, *_ = world.nodes
    world.call(first, world.proof(first, frozenset({0})))
    world.call(second, world.proof(second))
    world.next_epoch()
    await world.follow()
    audit = world.index.audits.audit(first.node, world.epoch - 1)
    assert (audit.verdict, audit.lost) == (FAILED, (HoldingRef(draft.id, 1),))
    (loss,) = world.index.file(draft.id).losses
    assert loss == Loss(1, audit.time)


async def test_what_was_given_up_in_the_epoch_is_admitted_like_any_other_loss(world):
    draft, node = world.add("one"), world.nodes[0]
    world.next_epoch()
    world.next_epoch()
    world.call(node, Surrender(node.node, draft.id, 1))
    given_up = world.now
    world.chain.advance(60)
    world.call(node, world.proof(node, frozenset({0})))
    world.call(world.nodes[1], world.proof(world.nodes[1]))
    closed = world.epoch
    world.next_epoch()
    assert EpochVerdict(closed, FAILED) in await world.verdicts()
    assert world.index.file(draft.id).losses == (Loss(1, given_up),)
    assert world.index.poisoned == 0


async def test_a_slot_dropped_in_the_epoch_is_nobodys_loss(world):
    draft, node = world.add("one"), world.nodes[1]
    world.next_epoch()
    world.next_epoch()
    roots = [draft.holding(slot).root for slot in (1, 2)]
    siblings = shrink_siblings([draft.manifest, *roots])
    world.call(world.alice, Shrink(draft.id, 1, siblings))
    await world.follow()
    same_as_the_rules(world)
    world.call(node, world.proof(node, frozenset({0})))
    world.call(world.nodes[0], world.proof(world.nodes[0]))
    closed = world.epoch
    world.next_epoch()
    assert EpochVerdict(closed, PROVED) in await world.verdicts(1)
    assert world.index.file(draft.id).losses == ()
    assert world.index.poisoned == 0
    same_as_the_rules(world)


async def test_an_epoch_missed_by_more_than_half_says_nothing_about_anybody(world):
    world.add("f")
    world.next_epoch()
    world.next_epoch()
    silent = world.epoch
    world.next_epoch()
    half = world.epoch
    world.call(world.nodes[0], world.proof(world.nodes[0]))
    world.next_epoch()
    assert await world.verdicts(0) == (EpochVerdict(silent, VOID), EpochVerdict(half, PROVED))
    assert await world.verdicts(1) == (EpochVerdict(silent, VOID), EpochVerdict(half, MISSED))


async def test_an_epoch_without_a_seed_asks_nothing(world):
    world.add("f")
    world.next_epoch()
    world.next_epoch()
    asked = world.epoch
    for node in world.nodes[:2]:
        world.call(node, world.proof(node))
    world.next_epoch(seed=False)
    world.next_epoch()
    assert await world.verdicts(0) == (EpochVerdict(asked, PROVED),)


async def test_who_has_left_misses_nothing(world):
    draft = world.add("f")
    world.next_epoch()
    world.moved(draft, 1, 2)
    world.next_epoch()
    world.call(world.nodes[1], world.proof(world.nodes[1]))
    assert world.proof(world.nodes[0]).answers
    leaver = world.nodes[0]
    world.call(leaver, SetNodeState(NodeState.DRAINING))
    world.call(leaver, SetNodeState(NodeState.LEFT))
    world.next_epoch()
    assert await world.verdicts(0) == ()
    assert [each.verdict for each in await world.verdicts(1)] == [PROVED]


async def audited(world, epochs=3):
    """Node 0 always proves, node 1 in even epochs only."""
    world.add("f")
    world.next_epoch()
    for number in range(epochs):
        world.next_epoch()
        for node in world.nodes[: 1 if number % 2 else 2]:
            world.call(node, world.proof(node))
    world.next_epoch()
    await world.follow()
    return world.epoch - epochs


async def test_audits_are_listed_newest_first_by_node_verdict_and_time(world):
    first = await audited(world)
    audits, (zero, one, *_) = world.index.audits, world.nodes

    def found(*arguments, **filters):
        page = audits.listed(*arguments, **filters)
        return [(item.epoch - first, item.node) for item in page.items]

    assert [epoch for epoch, _ in found()] == [2, 2, 1, 1, 0, 0]
    assert found(verdict=MISSED) == [(1, one.node)]
    assert found({zero.node: 0}) == [(2, zero.node), (1, zero.node), (0, zero.node)]
    assert found({zero.node: 0}, since=first + 1, until=first + 2) == [(1, zero.node)]
    both = {zero.node: first + 2, one.node: first + 1}
    assert set(found(both)) == {(2, zero.node), (2, one.node), (1, one.node)}
    assert audits.count() == AuditCounts({PROVED: 5, MISSED: 1}, b"")
    assert audits.count(both) == AuditCounts({PROVED: 2, MISSED: 1}, b"")
    assert audits.count(verdict=MISSED) == AuditCounts({MISSED: 1}, b"")
    assert audits.count({one.node: 0}, since=first + 1).by_verdict == {PROVED: 1, MISSED: 1}


async def test_a_list_of_audits_goes_on_where_it_stopped(world):
    await audited(world)
    audits = world.index.audits
    whole = audits.listed().items
    parts, after = [], b""
    while True:
        page = audits.listed(limit=2, after=after)
        parts += page.items
        after = page.next
        if not after:
            break
    assert tuple(parts) == whole
    with pytest.raises(InvalidRequestError, match="cursor"):
        audits.listed(after=b"short")


async def test_audits_of_a_few_nodes_go_on_where_they_stopped(world, monkeypatch):
    await audited(world, epochs=4)
    audits, few = world.index.audits, {world.nodes[n].node: 0 for n in (1, 0)}

    def everything(limit, **filters):
        parts, after = [], b""
        while True:
            page = audits.listed(few, limit=limit, after=after, **filters)
            parts += page.items
            after = page.next
            if not after:
                return parts

    spans = [{}, {"until": world.epoch - 1}, {"verdict": PROVED}, {"since": world.epoch - 3}]
    alone = [everything(limit, **span) for span in spans for limit in (1, 2, 3, 100)]
    assert len(alone[0]) == 8
    monkeypatch.setattr(audits_module, "FEW", 0)
    assert [everything(limit, **span) for span in spans for limit in (1, 2, 3, 100)] == alone
    monkeypatch.undo()
    with pytest.raises(InvalidRequestError, match="cursor"):
        audits.listed(few, after=b"short")


async def test_a_nodes_audits_are_found_behind_any_number_of_others(world):
    ours, others = world.nodes[0].node, 3
    kv = MemoryKeyValue()
    entry = encode(AuditEntry(PROVED, 7, ()))
    batch = {audit_key(ours, 0): entry, epoch_key(0, ours): bytes([PROVED])}
    for epoch in range(1, SCANNED // others + 2):
        for number in range(others):
            batch[epoch_key(epoch, bytes([number]) * 20)] = bytes([PROVED])
    await kv.write(batch, sync=False)
    audits = audits_module.Audits(kv, world.parameters)
    page = audits.listed({ours: 0})
    assert [(item.node, item.epoch) for item in page.items] == [(ours, 0)]
    assert not page.next
    assert audits.count({ours: 0}) == AuditCounts({PROVED: 1}, b"")


async def test_old_audits_are_forgotten(world, monkeypatch):
    monkeypatch.setattr(proofs, "KEPT", 2)
    first = await audited(world, epochs=5)
    epochs = {item.epoch - first for item in world.index.audits.listed().items}
    assert epochs == {3, 4}
    assert world.index.audits.audit(world.nodes[0].node, first) is None


async def test_who_holds_anything_of_an_owner(world):
    draft = world.add("f")
    world.add("g")
    await world.follow()
    audits = world.index.audits
    assert audits.holders_of(world.alice.address) == sorted(n.node for n in world.nodes[:2])
    assert audits.holders_of(world.bob.address) == []
    world.moved(draft, 1, 2)
    await world.follow()
    assert set(audits.holders_of(world.alice.address)) == {n.node for n in world.nodes[:3]}


async def test_a_move_is_recorded_for_both_nodes_and_when_the_slot_changed_hands(world):
    draft = world.add("f")
    world.chain.advance(100)
    world.moved(draft, 2, 3)
    await world.follow()
    view = world.index.file(draft.id)
    assert view.since == (world.now - 100, world.now)
    assert view.height == world.chain.head.height
    (record,) = world.index.migrations.listed().items
    assert (record.slot, record.source, record.target) == (
        2,
        world.nodes[1].node,
        world.nodes[3].node,
    )
    assert (record.time, record.version, record.size) == (world.now, 2, draft.holding(2).size)
    for node, count in ((0, 0), (1, 1), (3, 1)):
        page = world.index.migrations.listed(world.nodes[node].node)
        assert page.items == (record,) * count
    assert world.index.migrations.listed(until=world.now).items == ()


async def test_a_slot_taken_anew_by_the_same_node_is_lost_no_more(world):
    draft = world.add("f")
    node = world.nodes[0]
    world.next_epoch()
    world.call(node, Surrender(node.node, draft.id, 1))
    world.moved(draft, 1, 0)
    await world.follow()
    assert world.index.file(draft.id).losses == ()
    world.next_epoch()
    await world.follow()
    same_as_the_rules(world)
    assert [held.ended for held in world.segments(node)] == [2, 0]


async def test_heartbeats_are_counted_by_epoch_and_by_day(world):
    node = world.nodes[0]
    start = world.now
    for _ in range(2 * DAY // EPOCH):
        world.call(node, Heartbeat(node.node))
        world.chain.advance(EPOCH)
    await world.follow()
    audits = world.index.audits
    window = world.parameters.health_window
    assert audits.heartbeats(node.node, world.epoch - window, world.epoch) == window
    days = audits.heartbeat_days(node.node, world.now, 7)
    assert sum(day.seen for day in days) == 2 * DAY // EPOCH
    assert [day.start for day in days] == sorted({day.start for day in days}, reverse=True)
    assert days[-1].start <= start < days[-1].start + DAY
    whole = days[1]
    possible = DAY // world.parameters.heartbeat
    assert whole == HeartbeatDay(whole.start, 24, possible - 1, possible)
    assert audits.heartbeat_days(world.alice.address, world.now, 7) == []


async def test_since_when_a_node_is_in_its_state(world):
    node = world.nodes[0]
    await world.follow()
    registered = world.index.node(node.node).state_since
    world.chain.advance(500)
    world.call(node, SetNodeState(NodeState.DRAINING))
    world.call(node, Heartbeat(node.node))
    await world.follow()
    assert world.index.node(node.node).state_since == registered + 500


async def test_a_rollback_takes_verdicts_back():
    world = Indexed()
    world.chain._lag = 50
    world.add("f")
    world.next_epoch()
    world.next_epoch()
    node, asked = world.nodes[0], world.epoch
    world.call(node, world.proof(node))
    await world.follow()
    before = world.index.audits.audit(node.node, asked)
    height = world.chain.head.height
    world.next_epoch()
    assert await world.verdicts() == (EpochVerdict(asked, PROVED),)
    world.chain.roll_back(height)
    await world.follow()
    assert world.index.rollbacks == 1
    assert world.index.audits.audit(node.node, asked) == before == replace(before, is_open=True)


async def test_proofs_and_seeds_that_cannot_be_are_poison(world):
    world.add("f")
    world.next_epoch()
    world.next_epoch()
    await world.follow()
    epoch, node, audits = world.epoch, world.nodes[0].node, world.index.audits
    seed = audits.seed()
    for event in (
        ProofAccepted(node, epoch - 1, ()),
        ProofAccepted(node, 2**64 - 1, ()),
        ProofAccepted(world.alice.address, epoch, ()),
        SeedRevealed(epoch, seed.seed),
        SeedRevealed(epoch + 1, seed.seed),
    ):
        before, head = world.index.poisoned, world.index.head
        await world.index.apply(BlockEvents(head.height + 1, head.time, (event,)))
        assert world.index.poisoned == before + 1
    assert audits.seed() == seed
    assert audits.listed().items == ()
