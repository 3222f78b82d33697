"""The registry against a small model of its own, and against calls that make no sense."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import IntEnum
from types import NoneType, UnionType
from typing import Union, get_args, get_origin, get_type_hints

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from xdb.core import merkle
from xdb.core.encoding import decode, encode
from xdb.core.envelope import envelope_digest, sign_envelope
from xdb.core.rules import Context, Effects, apply, execute
from xdb.core.rules.state import FileEntry, State
from xdb.core.wire import read_call, read_event, write_call, write_event
from xdb.errors import RefusedCallError
from xdb.model import calls
from xdb.model.calls import (
    Delete,
    Extend,
    Move,
    Publish,
    Release,
    Rename,
    Renew,
    Renewal,
    Resign,
    SetNodeState,
    Shrink,
)
from xdb.model.ids import WIDTHS, Address, Digest, FileId, NodeId, Nonce, Signature, Tag
from xdb.model.refusal import Refusal
from xdb.model.registry import NodeState
from xdb.testing.registry import DAY, START, World, nonce, tag

RETENTION = 7 * DAY
NODES = 5
TITLES = [f"t{number}" for number in range(6)]
NAMES = ["a", "b", "c"]


# ---------------------------------------------------------------- any call at all


def busy_world() -> World:
    """Files in every stage of life, nodes in every state."""
    world = World(nodes=6)
    world.publish(world.alice, "live")
    world.publish(world.alice, "deleted")
    world.publish(world.alice, "expired", life=10)
    world.publish(world.bob, "bobs")
    world.call(world.alice, Delete(world.draft(world.alice, "deleted").id))
    world.call(world.nodes[3], SetNodeState(NodeState.DRAINING))
    world.call(world.nodes[4], SetNodeState(NodeState.OFFLINE))
    world.call(world.nodes[5], Resign())
    world.chain.advance(20)
    return world


BUSY = busy_world()
STATE = dict(BUSY.chain.state.values)
LIVE = BUSY.draft(BUSY.alice, "live")
KNOWN: dict[object, list[bytes]] = {
    Nonce: [nonce("live"), nonce("another")],
    Address: [key.address for key in (*BUSY.nodes, BUSY.alice, BUSY.bob)],
    NodeId: [key.node for key in BUSY.nodes],
    FileId: [LIVE.id, *(BUSY.draft(BUSY.alice, title).id for title in ("deleted", "expired"))],
    Tag: [tag(name) for name in ("ns", "live", "deleted", "another")],
    Digest: [LIVE.holding(1).root, LIVE.holding(2).root, LIVE.manifest],
    Signature: [BUSY.alice.sign(LIVE.manifest)],
}
NUMBERS = st.one_of(
    st.integers(1, 3),
    st.sampled_from([0, 2000, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1]),
    st.integers(START - 100, START + 10 * DAY),
)


def anything(kind) -> st.SearchStrategy:
    """Values of a field's type; ids are often ones that exist."""
    if kind in WIDTHS:
        known = [st.sampled_from(KNOWN[kind])] * 3
        return st.one_of(*known, st.binary(min_size=WIDTHS[kind], max_size=WIDTHS[kind]))
    if get_origin(kind) in (Union, UnionType):
        (inner,) = (part for part in get_args(kind) if part is not NoneType)
        return st.none() | anything(inner)
    if get_origin(kind) is tuple:
        return st.lists(anything(get_args(kind)[0]), max_size=3).map(tuple)
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return st.builds(kind, **{f.name: anything(hints[f.name]) for f in fields(kind)})
    if issubclass(kind, IntEnum):
        return st.sampled_from(kind)
    plain = {
        int: NUMBERS,
        str: st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
        | st.just("host.example:7000"),
        bytes: st.binary(max_size=40),
    }
    return plain[kind]


ANY_CALL = st.one_of([anything(kind) for kind in get_args(calls.Call)])
SENDERS = st.sampled_from([*BUSY.nodes[:4], *[BUSY.alice] * 4, BUSY.bob])


def context(ahead: int = 0) -> Context:
    return Context(BUSY.chain.deployment, BUSY.parameters, BUSY.now + ahead)


def outcome(attempt: Callable[[], Effects]) -> Effects | RefusedCallError:
    """What came of it; any other exception fails the test."""
    try:
        return attempt()
    except RefusedCallError as refused:
        return refused


@settings(deadline=None, max_examples=400)
@given(SENDERS, ANY_CALL, st.sampled_from([0, DAY, 8 * DAY, 40 * DAY]))
def test_any_call_has_effects_or_is_refused(sender, call, ahead):
    call = read_call(write_call(call))  # of a choice only one remains
    effects = outcome(lambda: apply(context(ahead), BUSY.chain.state, sender.address, call))
    if isinstance(effects, RefusedCallError):
        assert Refusal(effects.refusal) is not Refusal.NONE
        assert len(effects.reason) > 20
    else:
        assert effects.events
        for event in effects.events:
            assert read_event(write_event(event)) == event
        entries = [value for key, value in effects.writes if key.startswith(b"f/") and value]
        assert all(encode(decode(FileEntry, value)) == value for value in entries)
    assert BUSY.chain.state.values == STATE


@settings(deadline=None, max_examples=200)
@given(SENDERS, st.one_of(st.binary(max_size=80), ANY_CALL.map(write_call)), st.data())
def test_any_bytes_in_an_envelope_have_effects_or_are_refused(sender, call, data):
    if call and data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(call) - 1))
        call = call[:at] + bytes([call[at] ^ data.draw(st.integers(1, 255))]) + call[at + 1 :]
    envelope = sign_envelope(
        Resign(), BUSY.chain.deployment, sender, nonce("new"), context().time + 5
    )
    envelope = replace(envelope, call=call)
    envelope = replace(envelope, signature=sender.sign(envelope_digest(envelope)))
    effects = outcome(lambda: execute(context(), BUSY.chain.state, envelope))
    if isinstance(effects, RefusedCallError):
        assert Refusal(effects.refusal) is not Refusal.BAD_SIGNATURE
    else:
        assert effects.writes


# ---------------------------------------------------------------- a life of files


@dataclass
class File:
    """What the model knows of a file."""

    owner: str
    title: str
    name: str
    expiry: int
    holders: list[int]
    accepted: list[int]
    version: int = 1
    deleted: int | None = None
    history: list[tuple[int, int]] = field(default_factory=list)

    def ends(self) -> int:
        return self.expiry if self.deleted is None else min(self.deleted, self.expiry)

    def live(self, now: int) -> bool:
        return now < self.ends()

    def kept(self, now: int) -> bool:
        return now < self.ends() + RETENTION

    def holds_name(self, now: int) -> bool:
        return self.deleted is None and now < self.expiry + RETENTION


owners = st.sampled_from(["alice", "bob"])
names = st.sampled_from(NAMES)
numbers = st.integers(0, 100)
nodes = st.integers(0, NODES - 1)
node_pairs = st.one_of(
    st.permutations(range(NODES)).map(lambda order: order[:2]),
    st.permutations(range(NODES)).map(lambda order: order[:2]),
    st.lists(nodes, min_size=2, max_size=2),
)
lives = st.sampled_from([-1, 0, 1, DAY, DAY, 9 * DAY, 9 * DAY, 30 * DAY])
trusts = st.sampled_from([DAY, 9 * DAY, 30 * DAY, 90 * DAY])
slot_sets = st.sampled_from([(), (0,), (0, 1), (0, 1, 2, 3), (0, 1, 2, 3)])
strangers = st.sampled_from([False, False, False, False, True])


class RegistryMachine(RuleBasedStateMachine):
    """Every step says beforehand whether it must be accepted."""

    def __init__(self):
        super().__init__()
        self.world = World(nodes=NODES)
        self.files: dict[tuple[str, str], File] = {}
        self.online = set(range(NODES))

    # -- what the model says

    @property
    def now(self):
        return self.world.now

    def key(self, owner):
        return getattr(self.world, owner)

    def draft(self, file):
        return self.world.draft(self.key(file.owner), file.title)

    def pick(self, number):
        return list(self.files.values())[number % len(self.files)]

    def sender(self, file, stranger):
        return self.key("bob" if (file.owner == "alice") == stranger else "alice")

    def free(self, owner, name, but=()):
        return not any(
            file.owner == owner and file.name == name and file.holds_name(self.now)
            for file in self.files.values()
            if file not in but
        )

    def send(self, sender, call, *, accepted):
        before = dict(self.world.chain.state.values)
        reason = None
        try:
            self.world.call(sender, call)
        except RefusedCallError as refused:
            reason = str(refused)
        assert accepted == (reason is None), (call, reason)
        assert reason is None or self.world.chain.state.values == before
        return accepted

    # -- what happens

    @initialize()
    def begin(self):
        for title, name, life in zip(TITLES, NAMES, (DAY, 9 * DAY, 30 * DAY), strict=False):
            for owner in ("alice", "bob"):
                self.publish(owner, title, name, [0, 1], life, 30 * DAY, None)

    @rule(hours=st.sampled_from([0, 1, 1, 30, 24 * 4, 24 * 7, 24 * 16]))
    def time_passes(self, hours):
        self.world.chain.advance(hours * 3600)

    @rule(number=nodes, really=st.sampled_from([False, False, True]))
    def a_node_turns(self, number, really):
        if not really and number in self.online:
            return
        state = NodeState.OFFLINE if number in self.online else NodeState.ONLINE
        self.online ^= {number}
        self.send(self.world.nodes[number], SetNodeState(state), accepted=True)

    @rule(
        owner=owners, title=st.sampled_from(TITLES), name=names, pair=node_pairs, life=lives,
        trust=trusts, replaces=st.none() | numbers,
    )  # fmt: skip
    def publish(self, owner, title, name, pair, life, trust, replaces):  # noqa: PLR0913, PLR0917
        expiry = self.now + life
        draft = self.world.draft(self.key(owner), title)
        old = self.pick(replaces) if replaces is not None and self.files else None
        new = draft.new(
            [self.world.nodes[number] for number in pair],
            expiry=max(0, self.now + trust),
            valid_until=self.now,
            name=name,
            replaces=self.draft(old).id if old else None,
        )
        new = replace(new, expiry=expiry)
        accepted = (
            (owner, title) not in self.files
            and len(set(pair)) == 2
            and set(pair) <= self.online
            and 0 < life <= trust
            and (old is None or (old.owner == owner and old.live(self.now)))
            and self.free(owner, name, but=[old] if old else [])
        )
        if self.send(self.key(owner), Publish((new,)), accepted=accepted):
            accepts = [self.now + trust] * 2
            self.files[owner, title] = File(owner, title, name, expiry, list(pair), accepts)
            if old:
                old.deleted = self.now

    @rule(thief=owners, victim=numbers, life=lives)
    @precondition(lambda self: self.files)
    def publish_anothers_holdings(self, thief, victim, life):
        """The receipts of a file name its id, and an id its owner."""
        file = self.pick(victim)
        new = self.draft(file).new(
            [self.world.nodes[number] for number in file.holders[:2]],
            expiry=self.now + DAY,
            valid_until=self.now,
            name="stolen",
        )
        if thief != file.owner:
            self.send(
                self.key(thief),
                Publish((replace(new, expiry=max(0, self.now + life)),)),
                accepted=False,
            )

    @rule(
        stranger=strangers,
        number=numbers,
        life=lives,
        trust=trusts,
        slots=slot_sets,
    )
    @precondition(lambda self: self.files)
    def renew(self, stranger, number, life, trust, slots):
        file = self.pick(number)
        sender = self.sender(file, stranger)
        expiry, trusted = self.now + life, self.now + trust
        fresh = sorted(slot for slot in slots if slot < len(file.holders))
        renewals = tuple(
            Renewal(slot + 1, self.accepted(file, slot, file.holders[slot], file.version, trusted))
            for slot in fresh
        )
        accepts = [
            max(old, trusted) if slot in fresh else old for slot, old in enumerate(file.accepted)
        ]
        accepted = (
            not stranger
            and file.kept(self.now)
            and life > 0
            and expiry >= file.expiry
            and (not fresh or trusted >= expiry)
            and min(accepts) >= expiry
            and self.free(file.owner, file.name, but=[file])
        )
        call = Renew(self.draft(file).id, expiry, renewals)
        if self.send(sender, call, accepted=accepted):
            file.expiry, file.deleted, file.accepted = expiry, None, accepts

    @rule(stranger=strangers, number=numbers, name=names)
    @precondition(lambda self: self.files)
    def rename(self, stranger, number, name):
        file = self.pick(number)
        sender = self.sender(file, stranger)
        accepted = not stranger and file.live(self.now) and self.free(file.owner, name, but=[file])
        call = Rename(self.draft(file).id, tag(name), b"")
        if self.send(sender, call, accepted=accepted):
            file.name = name

    @rule(stranger=strangers, number=numbers)
    @precondition(lambda self: self.files)
    def delete(self, stranger, number):
        file = self.pick(number)
        sender = self.sender(file, stranger)
        accepted = not stranger and file.kept(self.now) and file.deleted is None
        if self.send(sender, Delete(self.draft(file).id), accepted=accepted):
            file.deleted = self.now

    @rule(
        stranger=strangers, number=numbers, slot=st.integers(0, 2), node=nodes,
        stale=st.sampled_from([0, 0, 0, 1]),
    )  # fmt: skip
    @precondition(lambda self: self.files)
    def move(self, stranger, number, slot, node, stale):
        file = self.pick(number)
        sender = self.sender(file, stranger)
        version = file.version - stale
        others = [other for at, other in enumerate(file.holders) if at != slot]
        accepted = (
            not stranger
            and file.kept(self.now)
            and not stale
            and slot < len(file.holders)
            and node not in others
            and node in self.online
        )
        holder = self.accepted(file, slot, node, version + 1, file.expiry + DAY)
        call = Move(self.draft(file).id, version, slot + 1, holder)
        if self.send(sender, call, accepted=accepted):
            file.holders[slot], file.accepted[slot] = node, file.expiry + DAY
            file.version += 1

    @rule(stranger=strangers, number=numbers, node=nodes)
    @precondition(lambda self: self.files)
    def extend(self, stranger, number, node):
        file = self.pick(number)
        sender = self.sender(file, stranger)
        draft, slots = self.draft(file), len(file.holders)
        accepted = (
            not stranger
            and file.live(self.now)
            and node not in file.holders
            and node in self.online
        )
        roots = [draft.holding(slot).root for slot in range(1, slots + 1)]
        siblings = merkle.extension_siblings([draft.manifest, *roots])
        holder = self.accepted(file, slots, node, file.version + 1, file.expiry, slots + 1)
        call = Extend(draft.id, file.version, holder, siblings)
        if self.send(sender, call, accepted=accepted):
            file.holders.append(node)
            file.accepted.append(file.expiry)
            file.version += 1

    @rule(stranger=strangers, number=numbers, stale=st.sampled_from([0, 0, 0, 1]))
    @precondition(lambda self: self.files)
    def shrink(self, stranger, number, stale):
        file = self.pick(number)
        sender = self.sender(file, stranger)
        draft, slots = self.draft(file), len(file.holders)
        accepted = not stranger and file.kept(self.now) and not stale and slots > 1
        roots = [draft.holding(slot).root for slot in range(1, slots + 1)]
        call = Shrink(
            draft.id, file.version - stale, merkle.shrink_siblings([draft.manifest, *roots])
        )
        if self.send(sender, call, accepted=accepted):
            file.holders.pop()
            file.accepted.pop()
            file.version += 1

    @rule(stranger=strangers, number=numbers)
    @precondition(lambda self: self.files)
    def release(self, stranger, number):
        file = self.pick(number)
        sender = self.sender(file, stranger)
        accepted = not file.kept(self.now)
        if self.send(sender, Release(self.draft(file).id), accepted=accepted):
            del self.files[file.owner, file.title]

    def accepted(self, file, slot, node, version, expiry, slots=None):  # noqa: PLR0913, PLR0917
        return self.draft(file).accepted(
            slot + 1,
            self.world.nodes[node],
            expiry=expiry,
            valid_until=self.now,
            version=version,
            slots=slots or len(file.holders),
        )

    # -- what holds always

    @invariant()
    def records_are_as_the_model_says(self):
        for file in self.files.values():
            record = self.world.record(self.draft(file).id)
            assert record.owner == self.key(file.owner).address
            assert record.name == tag(file.name)
            assert record.expiry == file.expiry
            assert record.deleted == (file.deleted or 0)
            assert record.version == file.version
            assert record.root == self.draft(file).root(len(file.holders))
            assert list(record.holders) == [self.world.nodes[n].node for n in file.holders]
            assert record.is_live(self.now) == file.live(self.now)
            assert len(set(record.holders)) == len(record.holders) == record.redundancy.total

    @invariant()
    def no_file_is_lost_and_none_appears(self):
        stored = {key for key in self.world.chain.state.values if key.startswith(b"f/")}
        assert stored == {b"f/" + self.draft(file).id for file in self.files.values()}

    @invariant()
    def names_are_unique_among_those_that_hold_them(self):
        holding = [
            (file.owner, file.name) for file in self.files.values() if file.holds_name(self.now)
        ]
        assert len(holding) == len(set(holding))
        state = State(self.world.chain.state)
        for file in self.files.values():
            if file.holds_name(self.now):
                owner = self.key(file.owner).address
                assert state.named(owner, tag("ns"), tag(file.name)) == self.draft(file).id

    @invariant()
    def holdings_are_those_of_the_files(self):
        entered = [key for key in self.world.chain.state.values if key.startswith(b"o/")]
        expected = {
            (self.world.nodes[node].node, self.draft(file).id, slot)
            for file in self.files.values()
            for slot, node in enumerate(file.holders, start=1)
        }
        found = {(key[2:22], key[30:62], int.from_bytes(key[62:], "big")) for key in entered}
        assert found == expected
        assert len(entered) == len(expected)

    @invariant()
    def versions_and_expiries_never_go_back(self):
        for file in self.files.values():
            now = (file.version, file.expiry)
            assert not file.history or (
                file.history[-1][0] <= now[0] and file.history[-1][1] <= now[1]
            )
            file.history.append(now)


RegistryMachine.TestCase.settings = settings(deadline=None, max_examples=60, stateful_step_count=40)
TestLifeOfFiles = RegistryMachine.TestCase
