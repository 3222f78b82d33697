"""Seeds, proofs and losses on a real EVM, and every wrong proof that must be refused."""

from dataclasses import replace
from hashlib import sha256

import pytest

from xdb.core import merkle, proving
from xdb.core.files import file_id
from xdb.core.receipts import receipt_digest
from xdb.model import calls
from xdb.model.ids import Digest
from xdb.model.registry import Coding, Holder, ProofScheme, Receipt, Redundancy
from xdb.model.storage import Commitment
from xdb.testing import evm
from xdb.testing.evm_registry import Registry
from xdb.testing.keys import NamedKey
from xdb.testing.registry import digest, node_call, nonce, tag

BLOCKS = 40
LEAF = 256
DRAWS = 5
PARAMETERS = {
    "epoch": BLOCKS,
    "freeze": 4,
    "leavesPerEpoch": DRAWS,
    "leafSize": LEAF,
    "healthWindow": 7,
    "retention": 1200,
    "receiptValidity": 300,
    "strayGrace": 900,
    "unreachable": 600,
    "notice": 1200,
    "maxSlots": 32,
    "maxFilesPerCall": 64,
    "maxLabel": 4096,
    "maxText": 256,
    "maxLifetime": 10**8,
}
NODE, OWNER = NamedKey("n0"), NamedKey("alice")

pytestmark = pytest.mark.skipif(evm.anvil() is None, reason="anvil is missing: see tests/tools.py")


@pytest.fixture(scope="module")
def machine():
    with evm.running() as found:
        yield found


class Net:
    """A registry with one node, and the replicas that it holds."""

    def __init__(self, machine, files=((3, 5000), (2, 3000)), **changes):
        self.evm = machine
        self.registry = Registry(evm.deploy(machine, PARAMETERS | changes))
        self.contract = self.registry.contract
        self.genesis = machine.block
        self.blocks = changes.get("epoch", BLOCKS)
        self.replicas = {}
        self.expiry = machine.time + 10**6
        self.done(NODE, node_call(NODE))
        policy = Redundancy(Coding.COPIES, 1, 1)
        self.done(OWNER, calls.CreateNamespace(tag("ns"), b"", policy, ProofScheme.MERKLE))
        for number, (count, size) in enumerate(files):
            self.publish(f"f{number}", count, size)

    def done(self, sender, call):
        outcome = self.registry.call(sender.address, call)
        assert outcome.refusal is None, outcome
        return outcome

    def publish(self, title, count, size):
        data = [sha256(f"{title} {i}".encode()).digest() * -(-size // 32) for i in range(count)]
        data = [one[:size] for one in data]
        data[-1] = data[-1][: size - 300]  # the last is shorter
        made = [Commitment(len(one), merkle.replica_root(one, LEAF)) for one in data]
        leaves = [merkle.leaf_count(len(one), LEAF) for one in data]
        root = merkle.holding_root(made)
        deployment = self.registry.deployment
        file = file_id(deployment, OWNER.address, nonce(title))
        shape = (sum(leaves), leaves[0], sum(map(len, data)))
        manifest = digest(title)
        top = merkle.file_root(manifest, [root])
        until = self.evm.time + 60
        receipt = Receipt(deployment, file, 1, top, root, *shape, self.expiry, 1, until)
        signed = NODE.sign(receipt_digest(receipt))
        holder = Holder(NODE.node, root, *shape, self.expiry, until, signed)
        policy = Redundancy(Coding.COPIES, 1, 1)
        tags = (tag("ns"), tag(title), manifest)
        new = calls.NewFile(
            nonce(title), *tags, policy, 1, self.expiry, (holder,), replaces=None, label=b""
        )
        self.done(OWNER, calls.Publish((new,)))
        self.replicas[file] = (data, made)
        return file

    @property
    def epoch(self):
        return (self.evm.block + 1 - self.genesis) // BLOCKS

    def first(self, epoch):
        return self.genesis + epoch * self.blocks

    def begin(self, epoch):
        """Until the first block of an epoch is past."""
        self.evm.mine(self.first(epoch) + 1 - self.evm.block)

    def header(self, number):
        return self.evm.header(number)

    def reveal(self, epoch, header=None):
        header = self.header(self.first(epoch)) if header is None else header
        return self.contract.send(OWNER.address, "revealSeed", epoch, header)

    def seed(self):
        return self.contract.view("newestSeed")[1]

    def drawn(self):
        return self.contract.view("space", NODE.address)[2]

    def answers(self, *, holes=(), seed=None):
        """What an honest node answers; `holes` are indices of segments."""
        segments = self.registry.segments[NODE.node]

        def span(leaf):
            held = next(s for s in segments.values() if s.start <= leaf < s.start + s.leaves)
            shape = (held.index, held.start, held.leaves, held.replica_leaves)
            return proving.Span(*shape, held.file, held.slot, held.index in holes)

        asked = proving.questions(seed or self.seed(), NODE.node, DRAWS, self.drawn(), span)
        return tuple(self.answer(question) for question in asked)

    def answer(self, question):
        if question.span is None:
            return calls.Answer(question.holes, None, None)
        data, made = self.replicas[question.span.file]
        replica = data[question.spot.replica]
        at = question.spot.leaf
        path = merkle.path(merkle.replica_leaves(replica, LEAF), at)
        shown = proving.leaf(question, replica[at * LEAF : (at + 1) * LEAF], path, made)
        return calls.Answer(question.holes, shown, None)

    def prove(self, epoch, answers, sender=NODE):
        return self.registry.call(sender.address, calls.Prove(NODE.node, epoch, answers))

    def prove_raw(self, epoch, raw):
        return self.contract.send(NODE.address, "prove", NODE.node, epoch, raw)

    def packed(self, answers):
        return self.registry.arguments(calls.Prove(NODE.node, 0, answers))[3]


def refusal(outcome):
    return outcome.refusal.name if outcome.refusal else None


@pytest.fixture
def net(machine):
    made = Net(machine)
    made.begin(1)
    assert refusal(made.reveal(1)) is None
    return made


def test_seed_is_the_prevrandao_of_the_epochs_first_block(net):
    block = net.evm.rpc("eth_getBlockByNumber", hex(net.first(1)), False)
    epoch, seed, time = net.contract.view("newestSeed")
    assert (epoch, seed.hex()) == (1, block["mixHash"][2:])
    assert time == int(block["timestamp"], 16)


def test_seed_of_another_block_or_epoch_is_refused(machine):
    net = Net(machine)
    net.begin(1)
    assert refusal(net.reveal(1, net.header(net.first(1) - 1))) == "Seed"
    header = net.header(net.first(1))
    assert refusal(net.reveal(1, header[:-1] + bytes([header[-1] ^ 1]))) == "Seed"
    assert refusal(net.reveal(0)) == "Epoch"
    assert refusal(net.reveal(2, header)) == "Epoch"
    assert refusal(net.reveal(1)) is None
    assert refusal(net.reveal(1)) == "Seed"


def test_seed_is_refused_in_the_second_half(machine):
    net = Net(machine)
    net.begin(1)
    net.evm.mine(BLOCKS // 2)
    assert refusal(net.reveal(1)) == "Epoch"


def test_old_blocks_are_shown_by_the_history_contract(machine):
    net = Net(machine, epoch=1000, retention=24000)
    net.evm.mine(net.genesis + 1400 - net.evm.block)
    assert refusal(net.reveal(1)) is None
    net.evm.mine(net.genesis + 2400 - net.evm.block)
    outcome = net.reveal(2)
    assert refusal(outcome) is None
    assert outcome.gas < 62_000


def test_honest_proof_is_accepted_once(net):
    answers = net.answers()
    outcome = net.prove(1, answers)
    assert refusal(outcome) is None
    [log] = outcome.logs
    assert (log.name, log.fields["epoch"], log.fields["lost"]) == ("ProofAccepted", 1, ())
    assert refusal(net.prove(1, answers)) == "Proved"


def test_proof_before_a_seed_and_after_the_epoch_is_refused(machine):
    net = Net(machine)
    net.begin(1)
    assert refusal(net.prove(1, net.answers(seed=Digest(bytes(32))))) == "Seed"
    assert refusal(net.reveal(1)) is None
    answers = net.answers()
    net.begin(2)
    assert refusal(net.prove(1, answers)) == "Epoch"
    assert refusal(net.reveal(2)) is None
    assert refusal(net.prove(1, answers)) == "Epoch"
    assert refusal(net.prove(2, answers)) == "Proof"


def test_only_the_signer_proves(net):
    assert refusal(net.prove(1, net.answers(), sender=OWNER)) == "NotAllowed"


def test_what_was_appended_too_late_is_not_drawn(machine):
    net = Net(machine)
    early = net.contract.view("space", NODE.address)[1]
    net.evm.mine(net.first(1) - 3 - net.evm.block)
    net.publish("late", 1, 900)
    net.begin(1)
    assert net.drawn() == early
    net.begin(2)
    assert net.drawn() > early


def flip(data, at=0):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def with_leaf(answers, **changes):
    return (replace(answers[0], leaf=replace(answers[0].leaf, **changes)), *answers[1:])


def _other(answers):
    """An answer that is not the first: draws may meet."""
    return next(answer for answer in answers if answer != answers[0])


def _wrong_segment(_net, answers):
    return with_leaf(answers, segment=1 - answers[0].leaf.segment)


WRONG = {
    "leaf": lambda _net, a: with_leaf(a, data=flip(a[0].leaf.data)),
    "first node": lambda _net, a: with_leaf(
        a, replica_path=(flip(a[0].leaf.replica_path[0]), *a[0].leaf.replica_path[1:])
    ),
    "last node": lambda _net, a: with_leaf(
        a, holding_path=(*a[0].leaf.holding_path[:-1], flip(a[0].leaf.holding_path[-1]))
    ),
    "other index": lambda _net, a: (_other(a), *a[1:]),
    "inner node as leaf": lambda _net, a: with_leaf(
        a,
        data=merkle.leaf_hash(a[0].leaf.data) + a[0].leaf.replica_path[0],
        replica_path=a[0].leaf.replica_path[1:],
    ),
    "length": lambda _net, a: with_leaf(a, replica_length=a[0].leaf.replica_length + 1),
    "count": lambda _net, a: with_leaf(a, replica_length=a[0].leaf.replica_length + LEAF),
    "segment": _wrong_segment,
    "unknown segment": lambda _net, a: with_leaf(a, segment=99),
    "fewer": lambda _net, a: a[:-1],
    "more": lambda _net, a: (*a, a[0]),
    "reordered": lambda _net, a: tuple(sorted(a, key=lambda answer: answer != _other(a))),
    "hole that is none": lambda _net, a: (replace(a[0], holes=(a[0].leaf.segment,)), *a[1:]),
    "too many holes": lambda _net, a: (replace(a[0], holes=(0,) * 17), *a[1:]),
    "neither leaf nor loss": lambda _net, a: (calls.Answer((), None, None), *a[1:]),
    "longer path": lambda _net, a: with_leaf(a, holding_path=(*a[0].leaf.holding_path, bytes(32))),
    "nothing": lambda _net, _a: (),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_proof_is_refused_without_effect(net, what):
    answers = net.answers()
    wrong = WRONG[what](net, answers)
    assert wrong != answers
    assert refusal(net.prove(1, wrong)) == "Proof"
    assert refusal(net.prove(1, answers)) is None


def test_proof_under_another_seed_is_refused(net):
    other = net.answers(seed=digest("another seed"))
    assert refusal(net.prove(1, other)) == "Proof"


def test_any_other_root_or_shape_of_a_segment_is_refused(net):
    raw = net.packed(net.answers())
    # index 4, file 32, slot 1, start 6, leaves 6, replica leaves 6, behind two bytes
    for at in (5, 6, 37, 38, 44, 50, 56):
        assert refusal(net.prove_raw(1, flip(raw, at))) == "Proof"
    zero = raw[:51] + bytes(6) + raw[57:]
    assert refusal(net.prove_raw(1, zero)) == "Proof"
    assert refusal(net.prove_raw(1, raw + b"\0")) == "Proof"
    assert refusal(net.prove_raw(1, raw[:-1])) == "Proof"
    assert refusal(net.prove_raw(1, raw)) is None


def test_admitted_loss_is_no_longer_held(net):
    answers = net.answers()
    lost = answers[0].leaf.segment
    admitted = tuple(
        replace(a, leaf=None, lost_segment=lost) if a.leaf.segment == lost else a for a in answers
    )
    outcome = net.prove(1, admitted)
    assert refusal(outcome) is None
    held = net.registry.segments[NODE.node][lost]
    assert outcome.logs[0].fields["lost"] == ({"file": held.file, "slot": 1},)
    assert net.contract.view("space", NODE.address)[3] == 1
    assert net.contract.view("segment", NODE.address, lost)[1] == 2
    net.begin(2)
    assert refusal(net.reveal(2)) is None
    claimed = net.answers()
    if any(answer.leaf.segment == lost for answer in claimed):
        assert refusal(net.prove(2, claimed)) == "Proof"
    assert refusal(net.prove(2, net.answers(holes={lost}))) is None


def test_surrendered_holding_may_be_drawn_until_the_epoch_ends(net):
    file = net.registry.segments[NODE.node][0].file
    assert refusal(net.registry.call(NODE.address, calls.Surrender(NODE.node, file, 1))) is None
    again = net.registry.call(NODE.address, calls.Surrender(NODE.node, file, 1))
    assert refusal(again) == "Slot"
    assert refusal(net.prove(1, net.answers())) is None


def test_only_holes_make_void_draws(machine):
    net = Net(machine, files=((3, 1000),))
    file = net.registry.segments[NODE.node][0].file
    net.done(NODE, calls.Surrender(NODE.node, file, 1))
    net.begin(1)
    assert refusal(net.reveal(1)) is None
    answers = net.answers(holes={0})
    assert answers == (calls.Answer((0,) * 16, None, None),) * DRAWS
    assert refusal(net.prove(1, answers[:-1])) == "Proof"
    assert refusal(net.prove(1, answers)) is None
