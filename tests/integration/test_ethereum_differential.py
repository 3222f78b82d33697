"""The contract on a real EVM against `core.rules`: the same calls, the same outcomes.

Compared after every call: the refusal's code, the events, and all state that the call could
have changed, records by the hash that the contract keeps. What may differ is listed in
docs/ethereum.md; none of it is done here: proofs have tests of their own.
"""

import os
import re
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xdb.core import merkle
from xdb.core.rules import Context, apply
from xdb.core.rules.state import HOLDINGS, POINTERS, State
from xdb.errors import RefusedCallError
from xdb.model import calls
from xdb.model.ids import Address
from xdb.model.registry import Coding, Endpoint, NodeState, Parameters, ProofScheme, Redundancy
from xdb.testing import evm
from xdb.testing.chain import MemoryState
from xdb.testing.evm_events import event_of
from xdb.testing.evm_registry import Registry, redundancy_values
from xdb.testing.keys import NamedKey
from xdb.testing.registry import Draft, digest, node_call, tag

EXAMPLES = 400 if os.environ.get("XDB_LONG") else 25
BLOCKS = 10  # an epoch
PARAMETERS = {
    "epoch": BLOCKS,
    "freeze": 2,
    "leavesPerEpoch": 5,
    "leafSize": 1024,
    "healthWindow": 7,
    "retention": 600,
    "receiptValidity": 300,
    "strayGrace": 900,
    "unreachable": 600,
    "notice": 1200,
    "maxSlots": 4,
    "maxFilesPerCall": 3,
    "maxLabel": 40,
    "maxText": 40,
    "maxLifetime": 6000,
}
NODES = [NamedKey(f"n{number}") for number in range(5)]
OWNERS = [NamedKey("alice"), NamedKey("bob")]
TITLES = ["t0", "t1", "t2", "t3"]
NAMES = ["a", "b"]
PUBLISHED = [(OWNERS[0], "t0"), (OWNERS[0], "t1"), (OWNERS[1], "t0")]
"""At first."""
POLICIES = [
    Redundancy(Coding.COPIES, 1, 1),
    Redundancy(Coding.COPIES, 1, 2),
    Redundancy(Coding.COPIES, 1, 3),
    Redundancy(Coding.ERASURE, 2, 3),
    Redundancy(Coding.COPIES, 2, 3),
    Redundancy(Coding.ERASURE, 1, 3),
    Redundancy(Coding.COPIES, 1, 5),
]

SEEN = Counter()
"""How often a call ended in what."""

pytestmark = pytest.mark.skipif(evm.anvil() is None, reason="anvil is missing: see tests/tools.py")


@pytest.fixture(scope="module")
def machine():
    with evm.running() as found:
        yield found


class Pair:
    """The contract and the rules, given the same calls."""

    def __init__(self, machine, seen):
        self.evm = machine
        self.contract = evm.deploy(machine, PARAMETERS)
        self.registry = Registry(self.contract)
        self.genesis = machine.block
        seconds = {
            re.sub("[A-Z]", lambda m: "_" + m[0].lower(), k): v for k, v in PARAMETERS.items()
        }
        del seconds["freeze"]
        seconds["epoch"] = BLOCKS * evm.SECONDS
        self.parameters = Parameters(start=machine.time, **seconds)
        self.state = MemoryState()
        self.deployment = self.registry.deployment
        self.seen = seen

    @property
    def now(self):
        """The time of the next block."""
        return self.evm.time + evm.SECONDS

    def call(self, sender: Address, call):
        found = self.registry.call(sender, call)
        context = Context(self.deployment, self.parameters, found.time)
        assert context.epoch == (found.block - self.genesis) // BLOCKS
        try:
            effects = apply(context, self.state, sender, call)
        except RefusedCallError as refused:
            wanted = refused.refusal.name
            shown = found.refusal and _code(found.refusal.name)
            assert shown == wanted, (call, found)  # it is compared, not expected
            self.seen[type(call).__name__, wanted] += 1
            return
        assert found.refusal is None, (call, found.refusal)
        self.seen[type(call).__name__, "done"] += 1
        assert [event_of(log) for log in found.logs] == list(effects.events)
        self.state.write(effects.writes)

    def check(self):
        state = State(self.state)
        for key in NODES:
            self._check_node(state, key)
        for owner in OWNERS:
            self._check_namespace(state, owner)
        for owner in OWNERS:
            for title in TITLES:
                self._check_file(state, Draft(self.deployment, owner, title).id)

    def _check_node(self, state, key):
        found, record = self.contract.view("node", key.address), state.node(key.node)
        if record is None:
            assert found["state"] == 0
            return
        endpoint = record.endpoint
        assert found["endpoint"] == {
            "addr": endpoint.address,
            "certificate": endpoint.certificate,
            "nextCertificate": endpoint.next_certificate or bytes(32),
        }
        assert (found["signer"], found["signerEpoch"]) == (record.signer, record.signer_epoch)
        assert (found["operator"], found["zone"]) == (record.operator, record.zone)
        assert (found["capacity"], found["state"]) == (record.capacity, record.state)
        assert (found["registered"], found["resigned"]) == (record.registered, record.resigned)
        assert found["formerSigner"] == record.former_signer
        held = sum(len(list(state.scan(prefix + key.node, 99))) for prefix in (HOLDINGS, POINTERS))
        assert self.contract.view("space", key.address)[3] == held

    def _check_namespace(self, state, owner):
        redundancy, created = self.contract.view("namespaceOf", owner.address, tag("ns"))
        record = state.namespace(owner.address, tag("ns"))
        if record is None:
            assert created == 0
        else:
            assert created == record.created
            assert tuple(redundancy.values()) == redundancy_values(record.redundancy)

    def _check_file(self, state, file):
        owner, expiry, deleted, commitment = self.contract.view("fileOf", file)
        entry = state.file(file)
        if entry is None:
            assert (owner, expiry, deleted, commitment) == (bytes(20), 0, 0, bytes(32))
            return
        record = entry.record
        assert (owner, expiry, deleted) == (record.owner, record.expiry, record.deleted)
        shown = self.registry.record(file)
        assert shown.commitment() == commitment
        assert (shown.namespace, shown.name) == (record.namespace, record.name)
        assert (shown.root, shown.redundancy) == (record.root, record.redundancy)
        assert shown.version == record.version
        assert [place.node for place in shown.places] == list(record.holders)
        for place, slot in zip(shown.places, entry.slots, strict=True):
            holding = slot.holding
            assert (place.root, place.leaves) == (holding.root, holding.leaves)
            assert (place.replica_leaves, place.size) == (holding.replica_leaves, holding.size)
            assert place.latest_expiry == holding.latest_expiry
        if not record.deleted:
            held = self.contract.view("named", record.owner, record.namespace, record.name)
            assert held == state.named(record.owner, record.namespace, record.name)


def _code(name):
    return re.sub("(?<!^)([A-Z])", r"_\1", name).upper()


# ---------------------------------------------------------------- calls


class Hand:
    """Makes calls that are mostly in order, from what the rules' state says now."""

    def __init__(self, pair, data):
        self.pair, self.data = pair, data

    def pick(self, *options):
        return self.data.draw(st.sampled_from(options))

    def rarely(self):
        return self.data.draw(st.integers(0, 24)) == 17  # no edge, which would be tried often

    def step(self):
        pair = self.pair
        actions = [self.file_call] * 12 + [self.publish] * 3 + [self.node_call] * 2
        actions += [self.namespace, self.advance, self.surrender, self.heartbeat]
        made = self.pick(*actions)()
        if made is not None:
            sender, call = made
            pair.call(sender, call)

    def advance(self):
        self.pair.evm.mine(self.pick(1, 5, 20, 55, 120))

    def signer(self, node):
        record = State(self.pair.state).node(node.node)
        epoch = (self.pair.evm.block + 1 - self.pair.genesis) // BLOCKS
        wanted = record.signer_at(epoch) if record else node.address
        known = [node, NamedKey(node.name + "'"), NamedKey(node.name + '"')]
        found = next((key for key in known if key.address == wanted), node)
        return NODES[0] if self.rarely() else found

    def draft(self, owner, title):
        record = State(self.pair.state).file(Draft(self.pair.deployment, owner, title).id)
        policy = State(self.pair.state).namespace(owner.address, tag("ns"))
        redundancy = policy.redundancy if policy else POLICIES[1]
        if record is not None:
            redundancy = record.record.redundancy
        return Draft(self.pair.deployment, owner, title, redundancy), record

    def accepted(  # noqa: PLR0913  # what a receipt says
        self, draft, slot, node, *, version=1, slots=None, expiry
    ):
        latest = expiry + (-1 if self.rarely() else self.pick(0, 1000, 5000))
        until = (
            self.pair.now + self.pick(0, 0, 100, 300, 301, -1)
            if self.rarely()
            else self.pair.now + 9
        )
        accepted = draft.accepted(
            slot,
            self.signer(node),
            expiry=max(latest, 0),
            valid_until=until,
            version=version,
            slots=slots,
            node=node,
        )
        if self.rarely():
            part = self.pick("root", "leaves", "replica_leaves", "size", "signature")
            odd = {"root": digest("odd"), "signature": accepted.signature[:64] + b"\0"}
            return replace(accepted, **{part: odd.get(part, self.pick(0, 1, 3, 2**40, 2**63))})
        return accepted

    def publish(self):
        owner = self.pick(*OWNERS)
        count = self.pick(1, 1, 1, 2, 3) if not self.rarely() else 4
        files = tuple(self.new(owner) for _ in range(count))
        return owner.address, calls.Publish(files if not self.rarely() else ())

    def new(self, owner):
        title = self.pick(*TITLES)
        draft, _ = self.draft(owner, title)
        policy = State(self.pair.state).namespace(owner.address, tag("ns"))
        draft = replace(draft, redundancy=policy.redundancy if policy else draft.redundancy)
        total = draft.redundancy.total
        nodes = self.data.draw(st.permutations(NODES))[: total + (1 if self.rarely() else 0)]
        if self.rarely():
            nodes = [nodes[0]] * total
        expiry = self.pair.now + (
            self.pick(6001, -12) if self.rarely() else self.pick(600, 60, 2000, 6000)
        )
        replaced = self.pick(*TITLES) if self.rarely() else None
        new = draft.new([], expiry=expiry, valid_until=0, name=self.pick(*NAMES, *TITLES))
        if self.rarely():
            new = replace(new, redundancy=self.pick(*POLICIES), label=b"x" * self.pick(40, 41))
        return replace(
            new,
            holders=tuple(
                self.accepted(draft, slot, node, expiry=expiry)
                for slot, node in enumerate(nodes, start=1)
            ),
            replaces=None if replaced is None else self.draft(owner, replaced)[0].id,
        )

    def file_call(self):
        owner, title = self.pick(*PUBLISHED) if not self.rarely() else (OWNERS[1], "t3")
        draft, entry = self.draft(owner, title)
        sender = self.pick(*OWNERS) if self.rarely() else owner
        kind = self.pick(
            self.renew,
            self.rename,
            self.delete,
            self.move,
            self.move,
            self.extend,
            self.extend,
            self.shrink,
            self.release,
        )
        return sender.address, kind(draft, entry)

    def renew(self, draft, entry):
        expiry = self.pair.now + (7000 if self.rarely() else self.pick(3000, 500, 1500, 6000))
        if entry is None:
            return calls.Renew(draft.id, expiry, ())
        slots = self.data.draw(st.lists(st.integers(1, len(entry.slots)), max_size=3))
        if not self.rarely():
            slots = range(1, len(entry.slots) + 1)
        renewals = tuple(
            calls.Renewal(
                slot,
                self.accepted(
                    draft,
                    slot,
                    self.node_of(entry, slot),
                    version=entry.record.version,
                    expiry=expiry,
                ),
            )
            for slot in slots
        )
        return calls.Renew(draft.id, expiry, () if self.pick(0, 1, 2) == 0 else renewals)

    def node_of(self, entry, slot):
        held = entry.record.holders[slot - 1]
        found = next(node for node in NODES if node.node == held)
        return self.pick(*NODES) if self.rarely() else found

    def rename(self, draft, _entry):
        return calls.Rename(
            draft.id, tag(self.pick(*NAMES, *TITLES)), b"x" * self.pick(3, 3, 3, 41)
        )

    def delete(self, draft, _entry):
        return calls.Delete(draft.id)

    def release(self, draft, _entry):
        return calls.Release(draft.id)

    def move(self, draft, entry):
        slot = self.pick(0, 4) if self.rarely() else self.pick(1, 2)
        version = entry.record.version if entry else 1
        expiry = entry.record.expiry if entry else self.pair.now
        node = self.pick(*NODES)
        holder = self.accepted(draft, slot or 1, node, version=version + 1, expiry=expiry)
        return calls.Move(draft.id, version + (1 if self.rarely() else 0), slot, holder)

    def extend(self, draft, entry):
        total = draft.redundancy.total
        version = entry.record.version if entry else 1
        expiry = entry.record.expiry if entry else self.pair.now
        holder = self.accepted(
            draft,
            total + 1,
            self.pick(*NODES),
            version=version + 1,
            slots=total + 1,
            expiry=expiry,
        )
        leaves = [draft.manifest, *(draft.holding(slot).root for slot in range(1, total + 1))]
        siblings = merkle.extension_siblings(leaves)
        return calls.Extend(
            draft.id, version + (1 if self.rarely() else 0), holder, self.spoilt(siblings)
        )

    def shrink(self, draft, entry):
        total = draft.redundancy.total
        leaves = [draft.manifest, *(draft.holding(slot).root for slot in range(1, total + 1))]
        version = entry.record.version if entry else 1
        siblings = merkle.shrink_siblings(leaves)
        return calls.Shrink(draft.id, version + (1 if self.rarely() else 0), self.spoilt(siblings))

    def spoilt(self, siblings):
        if not self.rarely():
            return siblings
        return self.pick(siblings[1:], (*siblings, digest("one more")), siblings[::-1], ())

    def surrender(self):
        draft, entry = self.draft(*self.pick(*PUBLISHED))
        slot = self.pick(1, 1, 2)
        node = self.pick(*NODES)
        if entry is not None and slot <= len(entry.slots):
            node = self.node_of(entry, slot)
        sender = self.signer(node) if self.pick(0, 1) else node
        return sender.address, calls.Surrender(node.node, draft.id, slot)

    def heartbeat(self):
        node = self.pick(*NODES)
        return self.signer(node).address, calls.Heartbeat(node.node)

    def namespace(self):
        policy, label = self.pick(*POLICIES), b"y" * self.pick(0, 40, 41)
        owner = self.pick(*OWNERS)
        if self.pick(0, 1):
            scheme = self.pick(ProofScheme.MERKLE, ProofScheme.MERKLE, ProofScheme.PAIRING)
            return owner.address, calls.CreateNamespace(tag("ns"), label, policy, scheme)
        label, policy = self.pick(None, label), self.pick(None, policy)
        return owner.address, calls.UpdateNamespace(tag("ns"), label, policy)

    def node_call(self):
        node = self.pick(*NODES)
        kind = self.pick(
            "update", "state", "state", "resign", "register" if self.rarely() else "update"
        )
        if kind == "register":
            return node.address, node_call(node)
        if kind == "resign":
            return node.address, calls.Resign()
        if kind == "state":
            state = self.pick(NodeState.ONLINE, NodeState.ONLINE, NodeState.ONLINE, *NodeState)
            return node.address, calls.SetNodeState(state)
        signer = self.pick(None, node, NamedKey(node.name + "'"), NamedKey(node.name + '"'))
        address = self.pick("n.example:1", "[::1]:65535", "n:0", "-n:1", "n:65536", "n\u200b:1")
        endpoint = Endpoint(address, digest("c"), self.pick(None, digest("d")))
        return node.address, calls.UpdateNode(
            signer=None if signer is None else signer.address,
            endpoint=endpoint if self.rarely() else None,
            operator=self.pick(None, "é", "x" * 41, "tab\t", "\u202e", "\U0001f600"),
            zone=self.pick(None, "", "z" * 40),
            capacity=self.pick(None, 5, 2**63),
        )


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="XDB_LONG" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.data())
def test_contract_and_rules_agree(machine, data):
    pair = Pair(machine, seen=SEEN)
    for node in NODES:
        pair.call(node.address, node_call(node))
    for owner, policy in zip(OWNERS, (POLICIES[1], POLICIES[3]), strict=True):
        pair.call(owner.address, calls.CreateNamespace(tag("ns"), b"", policy, ProofScheme.MERKLE))
    hand = Hand(pair, data)
    for owner, title, total in ((OWNERS[0], "t0", 2), (OWNERS[0], "t1", 2), (OWNERS[1], "t0", 3)):
        draft, _ = hand.draft(owner, title)
        soon = {"expiry": pair.now + 600, "valid_until": pair.now + 9}
        pair.call(owner.address, calls.Publish((draft.new(NODES[:total], **soon),)))
    for _ in range(6):
        for _ in range(5):
            hand.step()
        pair.check()


def test_the_calls_compared_did_everything():
    done = {call for call, outcome in SEEN if outcome == "done"}
    expected = "Publish Renew Rename Delete Move Extend Shrink Release Surrender Heartbeat Resign"
    assert set(expected.split()) <= done, SEEN
    assert len({outcome for _, outcome in SEEN}) > 10, SEEN
