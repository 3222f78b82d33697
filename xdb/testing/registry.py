"""Valid calls of the registry, for tests to send or to spoil."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from xdb.core import merkle
from xdb.core.files import file_id
from xdb.core.receipts import receipt_digest
from xdb.model.calls import CreateNamespace, NewFile, RegisterNode
from xdb.model.ids import Deployment, Digest, FileId, Nonce, Signature, Tag
from xdb.model.registry import (
    Coding,
    Endpoint,
    Holder,
    Holding,
    ProofScheme,
    Receipt,
    Redundancy,
)
from xdb.testing.keys import NamedKey

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
