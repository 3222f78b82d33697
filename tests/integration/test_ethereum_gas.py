"""What calls cost on Ethereum: exact on one EVM, so no more than a hundredth may be added."""

from hashlib import sha256

import pytest

from xdb.core import merkle, sampling
from xdb.core.files import file_id
from xdb.core.receipts import receipt_digest
from xdb.model import calls
from xdb.model.registry import Coding, Holder, ProofScheme, Receipt, Redundancy
from xdb.testing import evm
from xdb.testing.evm_registry import Registry
from xdb.testing.keys import NamedKey
from xdb.testing.registry import digest, node_call, nonce, tag

pytestmark = pytest.mark.skipif(evm.anvil() is None, reason="anvil is missing: see tests/tools.py")

BLOCKS, DRAWS, LEAF = 200, 5, 256
REPLICA, REPLICA_DEPTH = 4 << 20, 14
PARAMETERS = {
    "epoch": BLOCKS,
    "freeze": 4,
    "leavesPerEpoch": DRAWS,
    "leafSize": LEAF,
    "healthWindow": 7,
    "retention": 5000,
    "receiptValidity": 3000,
    "strayGrace": 9000,
    "unreachable": 600,
    "notice": 1200,
    "maxSlots": 32,
    "maxFilesPerCall": 64,
    "maxLabel": 4096,
    "maxText": 256,
    "maxLifetime": 10**8,
}
OWNER = NamedKey("alice")
DATA = b"".join(sha256(bytes([part])).digest() for part in range(8))


@pytest.fixture(scope="module")
def machine():
    with evm.running() as found:
        yield found


def alike(leaf, levels):
    """The root over 2^levels equal leaves, and the path of each."""
    path = []
    for _ in range(levels):
        path.append(leaf)
        leaf = sha256(b"\1" + leaf + leaf).digest()
    return leaf, tuple(path)


class Net:
    """Nodes that hold files of any size, all of whose leaves are alike."""

    def __init__(self, machine, nodes, depth):
        self.evm = machine
        self.registry = Registry(evm.deploy(machine, PARAMETERS))
        self.genesis = machine.block
        self.nodes = [NamedKey(f"n{number}") for number in range(nodes)]
        self.expiry = machine.time + 10**6
        self.policy = Redundancy(Coding.COPIES, 1, nodes)
        replica, self.replica_path = alike(sha256(b"\0" + DATA).digest(), REPLICA_DEPTH)
        leaf = sha256(b"\2" + REPLICA.to_bytes(8, "big") + replica).digest()
        self.root, self.holding_path = alike(leaf, depth)
        self.shape = (1 << (REPLICA_DEPTH + depth), 1 << REPLICA_DEPTH, REPLICA << depth)
        for node in self.nodes:
            self.done(node, node_call(node))
        created = calls.CreateNamespace(tag("ns"), b"", self.policy, ProofScheme.MERKLE)
        self.done(OWNER, created)

    def done(self, sender, call):
        outcome = self.registry.call(sender.address, call)
        assert outcome.refusal is None, outcome
        return outcome.gas

    def new(self, number):
        deployment = self.registry.deployment
        file = file_id(deployment, OWNER.address, nonce(f"{number}"))
        manifest = digest(f"manifest {number}")
        top = merkle.file_root(manifest, [self.root] * len(self.nodes))
        until = self.evm.time + 60
        holders = []
        for slot, node in enumerate(self.nodes, start=1):
            said = (self.root, *self.shape, self.expiry, 1, until)
            signed = node.sign(receipt_digest(Receipt(deployment, file, slot, top, *said)))
            holders.append(Holder(node.node, self.root, *self.shape, self.expiry, until, signed))
        tags = (tag("ns"), tag(f"{number}"), manifest)
        return calls.NewFile(
            nonce(f"{number}"),
            *tags,
            self.policy,
            5,
            self.expiry,
            tuple(holders),
            replaces=None,
            label=b"label",
        )

    def publish(self, first, count):
        return self.done(OWNER, calls.Publish(tuple(map(self.new, range(first, first + count)))))

    def prove(self):
        """The gas of an honest proof of epoch 1."""
        self.evm.mine(self.genesis + BLOCKS + 1 - self.evm.block)
        header = self.evm.header(self.genesis + BLOCKS)
        contract, node = self.registry.contract, self.nodes[0]
        assert contract.send(OWNER.address, "revealSeed", 1, header).refusal is None
        _, seed, _ = contract.view("newestSeed")
        drawn = contract.view("space", node.address)[2]
        own = sampling.node_seed(seed, node.node)
        indices = [sampling.draw(own, k, 0, drawn) // self.shape[0] for k in range(DRAWS)]
        paths = (self.replica_path, self.holding_path)
        answers = tuple(
            calls.Answer((), calls.Leaf(index, DATA, REPLICA, *paths), None) for index in indices
        )
        return self.done(node, calls.Prove(node.node, 1, answers))


def test_publishing_with_three_holders(machine):
    net = Net(machine, 3, 0)
    net.publish(0, 1)
    assert net.publish(1, 1) <= 242_000


@pytest.mark.parametrize(
    ("holdings", "depth", "most"),
    [(2, 0, 176_000), (2, 8, 226_000), (1000, 8, 227_000), (2, 17, 284_000)],
    ids=["8 MiB", "2 GiB", "1 TiB in 1,000 holdings", "1 TiB in 2 holdings"],
)
def test_proof_of_five_leaves(machine, holdings, depth, most):
    net = Net(machine, 1, depth)
    for first in range(0, holdings, 40):
        net.publish(first, min(40, holdings - first))
    assert net.prove() <= most
