"""Valid calls of the registry, for tests to send or to spoil."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from xdb.core import merkle
from xdb.core.files import file_id
from xdb.core.receipts import receipt_digest
from xdb.core.rules.state import FileEntry, State
from xdb.model.calls import Call, CreateNamespace, NewFile, Publish, RegisterNode
from xdb.model.events import Event
from xdb.model.ids import Deployment, Digest, FileId, Nonce, Signature, Tag
from xdb.model.registry import (
    Coding,
    Endpoint,
    FileRecord,
    Holder,
    Holding,
    Parameters,
    ProofScheme,
    Receipt,
    Redundancy,
)
from xdb.testing.chain import MemoryChain, StillClock
from xdb.testing.keys import NamedKey

DAY = 86400
TWO_COPIES = Redundancy(Coding.COPIES, 1, 2)


def digest(name: str) -> Digest:
    """A digest that its name determines."""
    return Digest(sha256(name.encode()).digest())


def tag(name: str) -> Tag:
    """A tag that its name determines."""
    return Tag(digest(f"tag {name}"))


def nonce(name: str) -> Nonce:
    """A nonce that its name determines."""
    return Nonce(digest(f"nonce {name}")[:16])


def node_call(key: NamedKey, *, operator: str = "", zone: str = "") -> RegisterNode:
    """Registers a node that is its own signer."""
    return RegisterNode(
        signer=key.address,
        endpoint=Endpoint(f"{key.name}.example:7000", digest(f"certificate {key.name}")),
        operator=operator or key.name,
        zone=zone,
        capacity=2**40,
    )


def namespace_call(name: str, redundancy: Redundancy = TWO_COPIES) -> CreateNamespace:
    """Creates a namespace."""
    return CreateNamespace(tag(name), b"label", redundancy, ProofScheme.MERKLE)


START = 1_800_000_000
"""Chain time at which a world begins."""


class World:
    """A chain with nodes n0, n1, ... and the owners `alice` and `bob`, each with namespace ns."""

    def __init__(
        self, *, nodes: int = 4, parameters: Parameters | None = None, lag: int = 0
    ) -> None:
        self.chain = MemoryChain(parameters or Parameters(start=START), StillClock(START), lag=lag)
        self.nodes = [NamedKey(f"n{number}") for number in range(nodes)]
        self.alice, self.bob = NamedKey("alice"), NamedKey("bob")
        for node in self.nodes:
            self.call(node, node_call(node))
        for owner in (self.alice, self.bob):
            self.call(owner, namespace_call("ns"))

    @property
    def now(self) -> int:
        """Chain time."""
        return self.chain.time

    @property
    def parameters(self) -> Parameters:
        """The chain's."""
        return self.chain.parameters

    def call(self, sender: NamedKey, call: Call) -> tuple[Event, ...]:
        """Executes a call; RefusedCallError when it may not."""
        return self.chain.call(sender.address, call)

    def draft(self, owner: NamedKey, title: str, redundancy: Redundancy = TWO_COPIES) -> "Draft":
        """A file of `owner`, not yet published."""
        return Draft(self.chain.deployment, owner, title, redundancy)

    def publish(  # noqa: PLR0913  # what a test may want to vary
        self,
        owner: NamedKey,
        title: str,
        *,
        life: int = DAY,
        nodes: Sequence[NamedKey] | None = None,
        name: str | None = None,
        replaces: FileId | None = None,
    ) -> "Draft":
        """Publishes a file of two copies that lives so many seconds."""
        draft = self.draft(owner, title)
        new = draft.new(
            self.nodes[:2] if nodes is None else nodes,
            expiry=self.now + life,
            valid_until=self.now,
            name=name,
            replaces=replaces,
        )
        self.call(owner, Publish((new,)))
        return draft

    def entry(self, file: FileId) -> FileEntry | None:
        """A file as chain state holds it."""
        return State(self.chain.state).file(file)

    def record(self, file: FileId) -> FileRecord:
        """The record of a file that is there."""
        entry = self.entry(file)
        assert entry is not None
        return entry.record


@dataclass(frozen=True)
class Draft:
    """A file about to be published; it need not exist anywhere."""

    deployment: Deployment
    owner: NamedKey
    title: str
    redundancy: Redundancy = TWO_COPIES
    size: int = 2000

    @property
    def id(self) -> FileId:
        """The id it will have."""
        return file_id(self.deployment, self.owner.address, nonce(self.title))

    @property
    def manifest(self) -> Digest:
        """A digest in place of a manifest's."""
        return digest(f"manifest {self.title}")

    def holding(self, slot: int) -> Holding:
        """What a slot holds."""
        leaves = -(-self.size // 1024)
        return Holding(digest(f"{self.title} {slot}"), leaves, leaves, self.size, 0)

    def root(self, slots: int | None = None) -> Digest:
        """The file root over so many slots."""
        total = self.redundancy.total if slots is None else slots
        return merkle.file_root(
            self.manifest, [self.holding(slot).root for slot in range(1, total + 1)]
        )

    def accepted(  # noqa: PLR0913  # what a receipt says
        self,
        slot: int,
        signer: NamedKey,
        *,
        expiry: int,
        valid_until: int,
        version: int = 1,
        slots: int | None = None,
        node: NamedKey | None = None,
    ) -> Holder:
        """A slot as `node` (or `signer` itself) accepts it, with a receipt that is in order."""
        holding = self.holding(slot)
        receipt = Receipt(
            deployment=self.deployment,
            file=self.id,
            slot=slot,
            file_root=self.root(slots),
            holding_root=holding.root,
            leaves=holding.leaves,
            replica_leaves=holding.replica_leaves,
            size=holding.size,
            latest_expiry=expiry,
            version=version,
            valid_until=valid_until,
        )
        return self.holder(slot, node or signer, receipt, signer.sign(receipt_digest(receipt)))

    def holder(self, slot: int, node: NamedKey, receipt: Receipt, signature: Signature) -> Holder:
        """The slot with a receipt, whatever it says."""
        holding = self.holding(slot)
        return Holder(
            node=node.node,
            root=holding.root,
            leaves=holding.leaves,
            replica_leaves=holding.replica_leaves,
            size=holding.size,
            latest_expiry=receipt.latest_expiry,
            valid_until=receipt.valid_until,
            signature=signature,
        )

    def new(  # noqa: PLR0913  # what a call says
        self,
        nodes: Sequence[NamedKey],
        *,
        expiry: int,
        valid_until: int,
        namespace: str = "ns",
        name: str | None = None,
        replaces: FileId | None = None,
    ) -> NewFile:
        """The file with all receipts, slot i + 1 with `nodes[i]`."""
        return NewFile(
            nonce=nonce(self.title),
            namespace=tag(namespace),
            name=tag(self.title if name is None else name),
            manifest=self.manifest,
            redundancy=self.redundancy,
            size=self.size,
            expiry=expiry,
            holders=tuple(
                self.accepted(slot, node, expiry=expiry, valid_until=valid_until)
                for slot, node in enumerate(nodes, start=1)
            ),
            replaces=replaces,
            label=b"label",
        )
