"""Segments: a node's holdings as one space of leaves to draw from.

A holding enters without a read, under its node and the epoch it was accepted in (its
*bucket*), so that publishers never meet. Once the epoch is over, anybody may seal the
bucket: its holdings become segments [start, start + leaves) at the end of the node's
address space. What counts for epoch e is what was sealed before e began, so nothing
about e's draws can be arranged once its seed is known.

A holding that ends leaves a *hole*: its segment stays, marked with the epoch. In that
epoch it may still be drawn; from the next one on a draw that hits it is drawn again. The
segment of a file past retention is a hole without being marked.
"""

from dataclasses import dataclass, replace

from xdb.core.rules.limits import check_count, refuse
from xdb.core.rules.nodes import known
from xdb.core.rules.state import HOLDINGS, POINTERS, Context, SlotEntry, State, read
from xdb.model.calls import Seal, Surrender
from xdb.model.events import BucketsSealed, Event, HoldingRef, HoldingSurrendered
from xdb.model.ids import Address, FileId, NodeId
from xdb.model.refusal import Refusal
from xdb.model.registry import FileRecord, Holding, Parameters

MOST_SEALED = 1000
"""Holdings that one call may seal."""
_KEPT_EXTENTS = 4


@dataclass(frozen=True, slots=True)
class Extent:
    """The size of an address space after its last change in `epoch`."""

    epoch: int
    segments: int
    leaves: int


@dataclass(frozen=True, slots=True)
class Space:
    """A node's address space: its newest extents, oldest first."""

    extents: tuple[Extent, ...]

    def now(self) -> Extent:
        """All that was ever appended."""
        return self.extents[-1] if self.extents else Extent(0, 0, 0)

    def before(self, epoch: int) -> Extent | None:
        """What was appended before `epoch` began; None when that is forgotten."""
        earlier = [extent for extent in self.extents if extent.epoch < epoch]
        if earlier:
            return earlier[-1]
        return Extent(0, 0, 0) if len(self.extents) < _KEPT_EXTENTS else None

    def grown(self, epoch: int, segments: int, leaves: int) -> "Space":
        """After a change in `epoch`."""
        kept = [extent for extent in self.extents if extent.epoch != epoch]
        return Space((*kept, Extent(epoch, segments, leaves))[-_KEPT_EXTENTS:])


@dataclass(frozen=True, slots=True)
class Segment:
    """One holding in the address space; `ended` is the epoch it ended in plus 1, or 0."""

    file: FileId
    slot: int
    added: int
    start: int
    holding: Holding
    ended: int

    def holds(self, leaf: int) -> bool:
        """Whether a leaf of the address space lies in it."""
        return self.start <= leaf < self.start + self.holding.leaves


def space(state: State, node: NodeId) -> Space:
    """A node's address space, empty at first."""
    return state.load(_space_key(node), Space) or Space(())


def segment(state: State, node: NodeId, index: int) -> Segment | None:
    """A segment by its number."""
    return state.load(_segment_key(node, index), Segment)


def is_hole(context: Context, state: State, held: Segment, epoch: int) -> bool:
    """Whether draws of `epoch` pass the segment over."""
    entry = state.file(held.file)
    record = None if entry is None else entry.record
    return passed_over(context.parameters, record, held.ended, epoch)


def passed_over(parameters: Parameters, record: FileRecord | None, ended: int, epoch: int) -> bool:
    """Whether a segment is a hole for `epoch`: `record` is its file's, `ended` as in `Segment`.

    What is gone is never asked for, however its record ended afterwards.
    """
    if record is None or record.gone(parameters.retention) <= parameters.start_of(epoch):
        return True
    return bool(ended) and ended - 1 < epoch


def oldest_bucket(state: State, node: NodeId) -> int | None:
    """The epoch of the node's oldest holding that is not sealed."""
    for key, _ in state.scan(HOLDINGS + node, 1):
        return _bucket_of(key)[0]
    return None


def seal(context: Context, state: State, sender: Address, call: Seal) -> list[Event]:  # noqa: ARG001  # anybody may
    """Appends holdings of past epochs to the node's address space, oldest first."""
    known(state, call.node)
    check_count(call.limit, 1, MOST_SEALED, "holdings to seal")
    extent = space(state, call.node).now()
    index, start = extent.segments, extent.leaves
    sealed = []
    for key, value in state.scan(HOLDINGS + call.node, call.limit):
        epoch, file, slot = _bucket_of(key)
        if epoch >= context.epoch:
            break
        holding = read(key, value, Holding)
        state.store(
            _segment_key(call.node, index), Segment(file, slot, epoch, start, holding, ended=0)
        )
        state.store(_pointer_key(call.node, file, slot), index)
        state.drop_holding(call.node, epoch, file, slot)
        sealed.append(HoldingRef(file, slot))
        index, start = index + 1, start + holding.leaves
    if not sealed:
        raise refuse(
            Refusal.UNSEALED,
            f"node {call.node.hex()} has no holding of an epoch before {context.epoch} to seal: "
            "nothing to do",
        )
    grown = space(state, call.node).grown(context.epoch, index, start)
    state.store(_space_key(call.node), grown)
    return [BucketsSealed(call.node, extent.segments, extent.leaves, tuple(sealed))]


def end_holding(  # noqa: PLR0913, PLR0917  # a holding has that many names
    context: Context, state: State, node: NodeId, file: FileId, slot: int, entry: SlotEntry
) -> bool:
    """Ends what a slot holds, wherever it stands; False when it had ended before."""
    index = state.load(_pointer_key(node, file, slot), int)
    held = segment(state, node, index) if index is not None else None
    if index is not None and held is not None and held.added == entry.epoch:
        end_segment(context, state, node, index, held)
        return True
    if state.holding(node, entry.epoch, file, slot) is None:
        return False
    state.drop_holding(node, entry.epoch, file, slot)
    return True


def end_segment(context: Context, state: State, node: NodeId, index: int, held: Segment) -> None:
    """Makes a segment a hole from the next epoch on."""
    state.store(_segment_key(node, index), replace(held, ended=context.epoch + 1))
    if state.load(_pointer_key(node, held.file, held.slot), int) == index:
        state.drop(_pointer_key(node, held.file, held.slot))


def surrender(context: Context, state: State, sender: Address, call: Surrender) -> list[Event]:
    """A node gives a holding up, before or without being asked for it."""
    record = known(state, call.node)
    if sender not in (record.node, record.signer_at(context.epoch)):
        raise refuse(
            Refusal.NOT_ALLOWED,
            f"{sender.hex()} does not speak for node {call.node.hex()}: "
            "only its id or its present signer may surrender",
        )
    entry = state.file(call.file)
    at = call.slot - 1
    held = entry is not None and 0 <= at < len(entry.slots)
    if (
        entry is None
        or not held
        or entry.record.holders[at] != call.node
        or not end_holding(context, state, call.node, call.file, call.slot, entry.slots[at])
    ):
        raise refuse(
            Refusal.SLOT,
            f"node {call.node.hex()} does not hold slot {call.slot} of file {call.file.hex()}: "
            "nothing to surrender",
        )
    return [HoldingSurrendered(call.node, call.file, call.slot)]


def _space_key(node: NodeId) -> bytes:
    return b"a/" + node


def _segment_key(node: NodeId, index: int) -> bytes:
    return b"g/" + node + index.to_bytes(8, "big")


def _pointer_key(node: NodeId, file: FileId, slot: int) -> bytes:
    return POINTERS + node + file + slot.to_bytes(8, "big")


def _bucket_of(key: bytes) -> tuple[int, FileId, int]:
    rest = key[len(HOLDINGS) + 20 :]
    return int.from_bytes(rest[:8], "big"), FileId(rest[8:40]), int.from_bytes(rest[40:], "big")
