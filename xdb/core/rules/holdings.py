"""Holdings: what a holder accepted, and whether its receipt says so."""

from dataclasses import dataclass

from xdb.core.receipts import receipt_signer
from xdb.core.rules.limits import refuse
from xdb.core.rules.nodes import known, present
from xdb.core.rules.state import Context, SlotEntry, State
from xdb.errors import IntegrityError
from xdb.model.ids import Digest, FileId
from xdb.model.refusal import Refusal
from xdb.model.registry import Holder, Holding, NodeRecord, NodeState, Receipt


@dataclass(frozen=True, slots=True)
class Place:
    """What a receipt must speak of: a slot of a file as the record will be."""

    file: FileId
    slot: int
    root: Digest
    version: int
    expiry: int


def accept(context: Context, state: State, place: Place, holder: Holder) -> SlotEntry:
    """Enters a holding with a node that is online; its receipt must cover `place`."""
    node = known(state, holder.node)
    if node.state is not NodeState.ONLINE:
        raise refuse(
            Refusal.NODE_STATE,
            f"node {node.node.hex()} is {node.state.name.lower()} and takes nothing new: "
            f"place slot {place.slot} on another node",
        )
    check_shape(context, place.slot, holder)
    _check_receipt(context, node, place, holder)
    entry = SlotEntry(context.epoch, _holding(holder))
    state.put_holding(holder.node, context.epoch, place.file, place.slot, entry.holding)
    return entry


def confirm(context: Context, state: State, place: Place, holder: Holder, old: Holding) -> Holding:
    """The holding `old` after its holder accepted `place`, perhaps with a later expiry."""
    check_same(place.slot, holder, old)
    _check_receipt(context, present(state, holder.node), place, holder)
    latest = max(old.latest_expiry, holder.latest_expiry)
    return Holding(old.root, old.leaves, old.replica_leaves, old.size, latest)


def check_same(slot: int, holder: Holder, old: Holding) -> None:
    """Refuses a holding that is not the slot's, bit for bit."""
    here = (holder.root, holder.leaves, holder.replica_leaves, holder.size)
    if here != (old.root, old.leaves, old.replica_leaves, old.size):
        raise refuse(
            Refusal.ROOT,
            f"slot {slot} holds root {old.root.hex()} ({old.size} bytes, {old.leaves} leaves), "
            f"not {holder.root.hex()} ({holder.size} bytes, {holder.leaves} leaves): "
            "make the slot's replicas again, as the manifest describes them",
        )


def check_shape(context: Context, slot: int, holder: Holder) -> None:
    """Refuses counts that no replicas can have."""
    fewest = -(-holder.size // context.parameters.leaf_size)
    if (
        not 1 <= holder.replica_leaves <= holder.leaves
        or not fewest <= holder.leaves <= holder.size
    ):
        raise refuse(
            Refusal.INVALID,
            f"slot {slot}: {holder.size} bytes do not make {holder.leaves} leaves, "
            f"{holder.replica_leaves} in each replica: count them again from the manifest",
        )


def _check_receipt(context: Context, node: NodeRecord, place: Place, holder: Holder) -> None:
    receipt_of = f"the receipt of node {holder.node.hex()} for slot {place.slot}"
    until = context.time + context.parameters.receipt_validity
    if not context.time <= holder.valid_until <= until:
        raise refuse(
            Refusal.RECEIPT,
            f"{receipt_of} is valid until {holder.valid_until}, taken are {context.time} "
            f"to {until}: ask the node for a new one",
        )
    if holder.latest_expiry < place.expiry:
        raise refuse(
            Refusal.EXPIRY,
            f"{receipt_of} accepts no expiry after {holder.latest_expiry}, {place.expiry} is asked "
            "for: choose an earlier one, or ask the node for a new receipt",
        )
    receipt = Receipt(
        deployment=context.deployment,
        file=place.file,
        slot=place.slot,
        file_root=place.root,
        holding_root=holder.root,
        leaves=holder.leaves,
        replica_leaves=holder.replica_leaves,
        size=holder.size,
        latest_expiry=holder.latest_expiry,
        version=place.version,
        valid_until=holder.valid_until,
    )
    try:
        signer = receipt_signer(receipt, holder.signature)
    except IntegrityError as error:
        raise refuse(Refusal.RECEIPT, f"{receipt_of} is unusable: {error}") from error
    if signer != node.signer_at(context.epoch):
        raise refuse(
            Refusal.RECEIPT,
            f"{receipt_of} is not signed by the node's signer of epoch {context.epoch}, or is for "
            f"something other than file {place.file.hex()} in version {place.version}: "
            "ask the node for a new one",
        )


def _holding(holder: Holder) -> Holding:
    return Holding(
        root=holder.root,
        leaves=holder.leaves,
        replica_leaves=holder.replica_leaves,
        size=holder.size,
        latest_expiry=holder.latest_expiry,
    )
