"""Making receipts: a storage node's word that it checked and keeps a slot."""

from collections.abc import Sequence
from dataclasses import dataclass

from xdb.core.merkle import leaf_count
from xdb.core.receipts import receipt_digest
from xdb.model.ids import Deployment, Digest, NodeId
from xdb.model.registry import Holder, Receipt
from xdb.model.storage import Commitment, SlotRef
from xdb.ports.keys import Signer


@dataclass(frozen=True, slots=True)
class Terms:
    """What a receipt is good for."""

    file_root: Digest
    version: int
    latest_expiry: int
    valid_until: int


@dataclass(frozen=True, slots=True)
class ReceiptMaker:
    """Signs in the name of one node."""

    node: NodeId
    deployment: Deployment
    signer: Signer
    leaf_size: int

    def make(
        self, slot: SlotRef, root: Digest, commitments: Sequence[Commitment], terms: Terms
    ) -> Holder:
        """The slot with the holding root `root` over `commitments`, as this node accepts it."""
        counts = [leaf_count(commitment.length, self.leaf_size) for commitment in commitments]
        receipt = Receipt(
            deployment=self.deployment,
            file=slot.file,
            slot=slot.slot,
            file_root=terms.file_root,
            holding_root=root,
            leaves=sum(counts),
            replica_leaves=counts[0],
            size=sum(commitment.length for commitment in commitments),
            latest_expiry=terms.latest_expiry,
            version=terms.version,
            valid_until=terms.valid_until,
        )
        return Holder(
            node=self.node,
            root=root,
            leaves=receipt.leaves,
            replica_leaves=receipt.replica_leaves,
            size=receipt.size,
            latest_expiry=receipt.latest_expiry,
            valid_until=receipt.valid_until,
            signature=self.signer.sign(receipt_digest(receipt)),
        )
