"""Whatever happens on a chain and however it is undone: the index is what the survivors make."""

import asyncio
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from xdb.core import merkle
from xdb.core.rules.segments import is_hole, oldest_bucket, space
from xdb.core.rules.state import State
from xdb.errors import RefusedCallError
from xdb.index.index import Index
from xdb.index.keys import UNDO
from xdb.index.views import FileStatus, status_of
from xdb.model.calls import (
    Delete,
    Extend,
    Heartbeat,
    Move,
    Publish,
    Release,
    Rename,
    Renew,
    Renewal,
    Resign,
    SetNodeState,
    Shrink,
    Surrender,
    UpdateNamespace,
    UpdateNode,
)
from xdb.model.registry import NodeState
from xdb.ports.blockchain import BlockEvents
from xdb.store.kv_memory import MemoryKeyValue
from xdb.testing.audits import AuditWorld, RealDraft
from xdb.testing.keys import NamedKey
from xdb.testing.registry import DAY, tag

LAG = 4
TITLES = [f"t{n}" for n in range(4)]
titles = st.sampled_from(TITLES)
nodes = st.integers(0, 3)
owners = st.sampled_from(["alice", "bob"])
slots = st.integers(1, 3)

STEPS = st.one_of(
    st.tuples(
        st.just("publish"),
        owners,
        titles,
        st.sampled_from(["a", "b", "c"]),
        nodes,
        st.integers(1, 4),
        st.none() | titles,
    ),
    st.tuples(st.just("delete"), owners, titles),
    st.tuples(st.just("renew"), owners, titles, st.integers(1, 12)),
    st.tuples(st.just("rename"), owners, titles, st.sampled_from(["a", "b", "c"])),
    st.tuples(st.just("move"), owners, titles, slots, nodes),
    st.tuples(st.just("extend"), owners, titles, nodes),
    st.tuples(st.just("shrink"), owners, titles),
    st.tuples(st.just("surrender"), owners, titles, slots, nodes),
    st.tuples(st.just("release"), owners, titles),
    st.tuples(st.just("node"), nodes, st.integers(0, 4)),
    st.tuples(st.just("namespace"), owners),
    st.tuples(st.just("pass"), st.sampled_from([0, 3600, DAY, 3 * DAY, 8 * DAY])),
    st.tuples(st.just("epoch"), st.booleans(), st.booleans()),
    st.tuples(st.just("prove"), nodes, st.booleans()),
    st.tuples(st.just("undo"), st.integers(1, LAG)),
)


class Life:
    """Plays steps on a chain; a refused one is played, too, and changes nothing."""

    def __init__(self):
        self.world = AuditWorld()
        self.world.chain._lag = LAG
        for owner in (self.world.alice, self.world.bob):
            for place, title in enumerate(TITLES[:-1]):
                self.publish(owner.name, title, "abc"[place], 0, place + 1, None)
        for _ in range(LAG):
            self.world.chain.tick()
        self.final = self.world.chain.head.final

    def play(self, step):
        with suppress(RefusedCallError):
            getattr(self, step[0])(*step[1:])
        self.final = max(self.final, self.world.chain.head.final)

    def _draft(self, owner, title):
        key = getattr(self.world, owner)
        draft = RealDraft(self.world.chain.deployment, key, title)
        self.world.drafts[draft.id] = draft
        return key, draft

    def _record(self, draft):
        entry = self.world.entry(draft.id)
        return entry and entry.record

    def _accepted(self, draft, slot, node, **more):
        record = self._record(draft)
        return draft.accepted(
            slot,
            self.world.nodes[node],
            expiry=max(record.expiry, self.world.now) + 5 * DAY,
            valid_until=self.world.now,
            **more,
        )

    def publish(self, owner, title, name, node, days, replaces):  # noqa: PLR0913, PLR0917
        key, draft = self._draft(owner, title)
        pair = [self.world.nodes[node], self.world.nodes[(node + 1) % 4]]
        old = None if replaces is None else self._draft(owner, replaces)[1].id
        new = draft.new(
            pair,
            expiry=self.world.now + days * DAY,
            valid_until=self.world.now,
            name=name,
            replaces=old,
        )
        self.world.call(key, Publish((new,)))

    def delete(self, owner, title):
        key, draft = self._draft(owner, title)
        self.world.call(key, Delete(draft.id))

    def renew(self, owner, title, days):
        key, draft = self._draft(owner, title)
        if record := self._record(draft):
            expiry = max(record.expiry, self.world.now) + days * DAY
            renewals = tuple(
                Renewal(
                    slot,
                    draft.accepted(
                        slot,
                        self.world.nodes[[n.node for n in self.world.nodes].index(holder)],
                        expiry=expiry,
                        valid_until=self.world.now,
                        version=record.version,
                        slots=len(record.holders),
                    ),
                )
                for slot, holder in enumerate(record.holders, start=1)
            )
            self.world.call(key, Renew(draft.id, expiry, renewals))

    def rename(self, owner, title, name):
        key, draft = self._draft(owner, title)
        self.world.call(key, Rename(draft.id, tag(name), name.encode()))

    def move(self, owner, title, slot, node):
        key, draft = self._draft(owner, title)
        if record := self._record(draft):
            holder = self._accepted(
                draft, slot, node, version=record.version + 1, slots=len(record.holders)
            )
            self.world.call(key, Move(draft.id, record.version, slot, holder))

    def extend(self, owner, title, node):
        key, draft = self._draft(owner, title)
        if record := self._record(draft):
            count = len(record.holders)
            leaves = [draft.manifest, *(draft.holding(n).root for n in range(1, count + 1))]
            holder = self._accepted(
                draft, count + 1, node, version=record.version + 1, slots=count + 1
            )
            siblings = merkle.extension_siblings(leaves)
            self.world.call(key, Extend(draft.id, record.version, holder, siblings))

    def shrink(self, owner, title):
        key, draft = self._draft(owner, title)
        if record := self._record(draft):
            count = len(record.holders)
            leaves = [draft.manifest, *(draft.holding(n).root for n in range(1, count + 1))]
            self.world.call(key, Shrink(draft.id, record.version, merkle.shrink_siblings(leaves)))
            assert self._record(draft).root == merkle.file_root(leaves[0], leaves[1:-1])

    def surrender(self, owner, title, slot, node):
        holder = self.world.nodes[node]
        self.world.call(holder, Surrender(holder.node, self._draft(owner, title)[1].id, slot))

    def release(self, owner, title):
        self.world.call(self.world.bob, Release(self._draft(owner, title)[1].id))

    def node(self, number, what):
        key = self.world.nodes[number]
        calls = [
            Heartbeat(key.node),
            UpdateNode(signer=NamedKey(f"signer {self.world.now}").address),
            UpdateNode(capacity=self.world.now),
            SetNodeState(NodeState.OFFLINE if self.world.now % 2 else NodeState.ONLINE),
            Resign(),
        ]
        self.world.call(key, calls[what])

    def namespace(self, owner):
        key = getattr(self.world, owner)
        self.world.call(key, UpdateNamespace(tag("ns"), label=b"%d" % self.world.now))

    def epoch(self, seed, seal):
        self.world.next_epoch(seed=seed, seal=seal)

    def prove(self, number, has_lost):
        node = self.world.nodes[number]
        if segments := self.world.segments(node):
            lost = frozenset(range(len(segments))) if has_lost else frozenset()
            with suppress(ValueError, ZeroDivisionError):  # no seed, or nothing to prove
                self.world.call(node, self.world.proof(node, lost))

    def pass_(self, seconds):
        self.world.chain.advance(seconds + 1)

    def undo(self, blocks):
        chain = self.world.chain
        chain.roll_back(max(self.final, chain.head.height - blocks))


setattr(Life, "pass", Life.pass_)


def surviving(kv):
    return {key: value for key, value in kv._values.items() if key[:1] != UNDO and key != b"me"}


def check_against_the_rules(world, index):
    state = State(world.chain.state)
    assert index.poisoned == 0
    check_audits(world, state, index.audits)
    for key in world.nodes:
        view = index.node(key.node)
        assert view.record == state.node(key.node)
        assert view.holdings == len(index.held_by(key.node).items)
    now, retention = index.head.time, world.parameters.retention
    for key in (world.alice, world.bob):
        space = index.namespace(key.address, tag("ns"))
        assert space.record == state.namespace(key.address, tag("ns"))
        views = []
        for title in TITLES:
            draft = RealDraft(world.chain.deployment, key, title)
            entry, view = state.file(draft.id), index.file(draft.id)
            assert (view is None) == (entry is None)
            if view is not None and entry is not None:
                views.append(view)
                assert view.record == entry.record
                assert view.holdings == tuple(slot.holding for slot in entry.slots)
        by_status = {
            status: [
                v for v in views
                if status_of(v.record.expiry, v.record.deleted, now, retention) is status
            ]
            for status in FileStatus
        }  # fmt: skip
        live = by_status[FileStatus.LIVE]
        kept = len(by_status[FileStatus.EXPIRED]) + len(by_status[FileStatus.DELETED])
        assert space.files == len(live)
        assert space.size == sum(view.record.size for view in live)
        assert space.stored == sum(view.stored for view in live)
        assert space.expired == kept
        for status, expected in by_status.items():
            listed = index.files(key.address, status=status).items
            assert set(listed) == set(expected)
            times = [view.record.published for view in listed]
            assert times == sorted(times, reverse=True)
        for view in live:
            record = view.record
            assert index.live_file(key.address, tag("ns"), record.name) == view


def check_audits(world, state, audits):
    context = world.chain.context()
    for key in world.nodes:
        segments = world.segments(key)
        for epoch in range(max(0, world.epoch - 2), world.epoch + 2):
            extent = space(state, key.node).before(epoch)
            assert audits.leaves(key.node, epoch) == (extent.leaves if extent else 0)
            for index, held in enumerate(segments):
                span = audits.span_at(key.node, held.start, epoch)
                assert (span.index, span.file, span.slot) == (index, held.file, held.slot)
                assert (span.start, span.leaves) == (held.start, held.holding.leaves)
                assert span.hole == is_hole(context, state, held, epoch)
        assert audits.unsealed(key.node) == oldest_bucket(state, key.node)


async def history(steps):
    life = Life()
    world = life.world
    followed = Index(kv := MemoryKeyValue(), world.parameters)

    async def follow():
        async for item in world.chain.events().follow(followed.head.height):
            await followed.apply(item)
            head = world.chain.head
            if followed.head.height == head.height and followed.head.final >= head.final:
                return

    for step in steps:
        life.play(step)
        await follow()
    check_against_the_rules(world, followed)
    fresh = Index(fresh_kv := MemoryKeyValue(), world.parameters)
    async for item in world.chain.events().follow(0):
        if isinstance(item, BlockEvents):
            await fresh.apply(item)
            if item.height == world.chain.head.height:
                break
    assert surviving(kv) == surviving(fresh_kv)
    undone = sorted(int.from_bytes(key[1:], "big") for key, _ in kv.scan(UNDO))
    assert undone == list(range(followed.head.final + 1, followed.head.height + 1))


@settings(deadline=None, max_examples=60)
@given(st.lists(STEPS, min_size=20, max_size=60))
def test_the_index_is_what_the_surviving_blocks_make(steps):
    asyncio.run(history(steps))
