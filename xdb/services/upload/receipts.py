"""What receipts must say, checked before the registry sees them.

The registry would refuse a whole call for one bad receipt; here it is the holder's fault
alone, and another holder takes its slot.
"""

from dataclasses import dataclass

from xdb.core.manifest import commitments, manifest_digest, published_root
from xdb.core.merkle import leaf_count
from xdb.core.receipts import receipt_signer
from xdb.errors import IntegrityError, RejectedError
from xdb.index.index import Index
from xdb.model.ids import Deployment, Digest
from xdb.model.manifest import Manifest
from xdb.model.registry import Holder, NodeRecord, Receipt


@dataclass(frozen=True, slots=True)
class Terms:
    """Receipts for a file that is about to be published, or to change its holders.

    `slot_root` is that of the slot, which the manifest need not name: it may have been added.
    """

    index: Index
    deployment: Deployment
    manifest: Manifest
    file_root: Digest
    version: int = 1
    slot_root: Digest | None = None

    def check(self, slot: int, holder: Holder, node: NodeRecord, expiry: int) -> None:
        """IntegrityError for a receipt that is no good, RejectedError when it ends too early."""
        wanted = self._receipt(slot, holder)
        named = f"the receipt of node {node.node.hex()} for slot {slot}"
        said = (holder.node, holder.root, holder.leaves, holder.replica_leaves, holder.size)
        meant = (
            node.node,
            wanted.holding_root,
            wanted.leaves,
            wanted.replica_leaves,
            wanted.size,
        )
        now = self.index.head.time
        if said != meant or holder.valid_until <= now:
            raise IntegrityError(f"{named} is for something else or has ended: use another node")
        if holder.latest_expiry < expiry:
            raise RejectedError(
                f"{named} ends at {holder.latest_expiry}, before {expiry}: choose an earlier "
                "expiry, or use another node"
            )
        signer = node.signer_at(self.index.parameters.epoch_at(now))
        if receipt_signer(wanted, holder.signature) != signer:
            raise IntegrityError(f"{named} is not signed by its signer: use another node")

    def _receipt(self, slot: int, holder: Holder) -> Receipt:
        named = slot <= len(self.manifest.slots)
        replicas = commitments(self.manifest, slot if named else 1)  # all copies are as long
        counts = [leaf_count(each.length, self.manifest.leaf_size) for each in replicas]
        return Receipt(
            deployment=self.deployment,
            file=self.manifest.file,
            slot=slot,
            file_root=self.file_root,
            holding_root=self.slot_root or self.manifest.slots[slot - 1].root,
            leaves=sum(counts),
            replica_leaves=counts[0],
            size=sum(each.length for each in replicas),
            latest_expiry=holder.latest_expiry,
            version=self.version,
            valid_until=holder.valid_until,
        )


def terms_of(index: Index, deployment: Deployment, manifest: Manifest, data: bytes) -> Terms:
    """What receipts for a file with this manifest, stored as `data`, must say."""
    root = published_root(manifest, manifest_digest(data))
    return Terms(index, deployment, manifest, root)
