"""Proofs: a node's answers to the draws of the open epoch.

Every draw ends in a leaf with its path to the holding root that the holder's receipt
named, in the admission that the holding is lost, or, after too many holes, in nothing. A
wrong proof is refused without effect and may be repeated while the epoch is open. Nobody
records misses: whoever reads the chain derives them when the next seed appears.
"""

from dataclasses import dataclass

from xdb.core.probing import check_spot
from xdb.core.rules import seeds, segments
from xdb.core.rules.limits import refuse
from xdb.core.rules.nodes import present
from xdb.core.rules.segments import Segment
from xdb.core.rules.state import Context, State
from xdb.core.sampling import ATTEMPTS, draw, node_seed, spot
from xdb.errors import IntegrityError, RefusedCallError
from xdb.model.calls import Answer, Leaf, Prove
from xdb.model.events import Event, HoldingRef, ProofAccepted
from xdb.model.ids import Address, Digest, NodeId
from xdb.model.refusal import Refusal
from xdb.model.storage import LeafShown


@dataclass(frozen=True, slots=True)
class _Round:
    """What all draws of one proof share."""

    context: Context
    state: State
    node: NodeId
    epoch: int
    seed: Digest
    leaves: int


def prove(context: Context, state: State, sender: Address, call: Prove) -> list[Event]:
    """Checks every draw; what was admitted to be lost is no longer held."""
    record = present(state, call.node)
    if sender != record.signer_at(context.epoch):
        raise refuse(
            Refusal.NOT_ALLOWED,
            f"{sender.hex()} is not the signer of node {call.node.hex()} in epoch "
            f"{context.epoch}: prove with the signer that is registered for this epoch",
        )
    this = _open_round(context, state, call)
    lost: dict[int, Segment] = {}
    for number, answer in enumerate(call.answers):
        try:
            _check_answer(this, number, answer, lost)
        except RefusedCallError as error:
            raise RefusedCallError(error.refusal, f"draw {number}: {error.reason}") from error
    named = [(index, held) for index, held in sorted(lost.items()) if _is_recorded(this, held)]
    refs = tuple(_end(this, index, held) for index, held in named)
    state.store(_proved_key(call.node), call.epoch)
    return [ProofAccepted(call.node, call.epoch, refs)]


def _open_round(context: Context, state: State, call: Prove) -> _Round:
    seed = _open_seed(state, call.epoch)
    if state.load(_proved_key(call.node), int) == call.epoch:
        raise refuse(
            Refusal.PROVED, f"node {call.node.hex()} has proved epoch {call.epoch}: nothing to do"
        )
    oldest = segments.oldest_bucket(state, call.node)
    if oldest is not None and oldest + 2 <= call.epoch:
        raise refuse(
            Refusal.UNSEALED,
            f"holdings of epoch {oldest} are not sealed: call Seal for node {call.node.hex()}",
        )
    extent = segments.space(state, call.node).before(call.epoch)
    if extent is None or not extent.leaves:
        raise refuse(
            Refusal.EPOCH,
            f"node {call.node.hex()} had nothing to prove when epoch {call.epoch} began",
        )
    wanted = context.parameters.leaves_per_epoch
    if len(call.answers) != wanted:
        raise refuse(
            Refusal.PROOF, f"{len(call.answers)} answers to {wanted} draws: answer each once"
        )
    return _Round(context, state, call.node, call.epoch, node_seed(seed, call.node), extent.leaves)


def _open_seed(state: State, epoch: int) -> Digest:
    newest = seeds.newest(state)
    if newest is None or newest.epoch < epoch:
        raise refuse(Refusal.SEED, f"epoch {epoch} has no seed: wait until it is revealed")
    if newest.epoch > epoch:
        raise refuse(
            Refusal.EPOCH,
            f"epoch {epoch} closed when epoch {newest.epoch} got its seed: prove that one",
        )
    return newest.seed


def _check_answer(this: _Round, number: int, answer: Answer, lost: dict[int, Segment]) -> None:
    if len(answer.holes) > ATTEMPTS:
        raise _wrong(f"{len(answer.holes)} holes, {ATTEMPTS} are the most")
    for attempt, index in enumerate(answer.holes):
        held = _named(this, number, attempt, index)
        if not segments.is_hole(this.context, this.state, held, this.epoch):
            raise _wrong(f"segment {index} is no hole")
    final = [part for part in (answer.leaf, answer.lost_segment) if part is not None]
    if len(answer.holes) == ATTEMPTS:
        if final:
            raise _wrong(f"it is void after {ATTEMPTS} holes, and yet answered")
        return
    if len(final) != 1:
        raise _wrong("show the leaf or admit its loss")
    index = answer.leaf.segment if answer.leaf is not None else answer.lost_segment or 0
    held = _named(this, number, len(answer.holes), index)
    if segments.is_hole(this.context, this.state, held, this.epoch):
        raise _wrong(f"segment {index} is a hole, draw again")
    if answer.leaf is None:
        lost[index] = held
        return
    leaf = draw(this.seed, number, len(answer.holes), this.leaves)
    _check_leaf(this, held, leaf - held.start, answer.leaf)


def _named(this: _Round, number: int, attempt: int, index: int) -> Segment:
    leaf = draw(this.seed, number, attempt, this.leaves)
    held = segments.segment(this.state, this.node, index)
    if held is None or not held.holds(leaf):
        raise _wrong(f"leaf {leaf} (attempt {attempt}) does not lie in segment {index}")
    return held


def _check_leaf(this: _Round, held: Segment, offset: int, leaf: Leaf) -> None:
    holding = held.holding
    where = spot(offset, holding.leaves, holding.replica_leaves)
    shown = LeafShown(leaf.data, leaf.replica_length, leaf.replica_path, leaf.holding_path)
    try:
        check_spot(shown, this.context.parameters.leaf_size, where, holding.root)
    except IntegrityError as error:
        raise _wrong(f"slot {held.slot} of file {held.file.hex()}: {error}") from error


def _is_recorded(this: _Round, held: Segment) -> bool:
    # It may have gone to another node in this epoch, or its slot may have been dropped. Then
    # it had ended before, and no record is left that the loss would be about.
    entry, at = this.state.file(held.file), held.slot - 1
    if entry is None or at >= len(entry.slots):
        return False
    return entry.record.holders[at] == this.node and entry.slots[at].epoch == held.added


def _end(this: _Round, index: int, held: Segment) -> HoldingRef:
    segments.end_segment(this.context, this.state, this.node, index, held)
    return HoldingRef(held.file, held.slot)


def _wrong(reason: str) -> RefusedCallError:
    return refuse(Refusal.PROOF, f"{reason}: repeat the proof while the epoch is open")


def _proved_key(node: NodeId) -> bytes:
    return b"v/" + node
