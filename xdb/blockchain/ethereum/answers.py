"""A node's answers to an epoch, packed as the contract reads them; see IRegistry.prove."""

from collections.abc import Callable

from xdb.blockchain.ethereum.mirror import SegmentEntry
from xdb.core.sampling import ATTEMPTS
from xdb.errors import RefusedCallError
from xdb.model.calls import Answer, Prove
from xdb.model.refusal import Refusal

LEAF, LOSS = 1, 2

Segments = Callable[[int], SegmentEntry | None]


def answers_of(call: Prove, segment: Segments) -> bytes:
    """All answers in order; RefusedCallError when one names a segment that there is not."""
    return b"".join(_answer(answer, segment) for answer in call.answers)


def _answer(answer: Answer, segment: Segments) -> bytes:
    parts = [len(answer.holes).to_bytes(1, "big")]
    for hole in answer.holes:
        parts += _segment(hole, segment)
    if answer.leaf is not None:
        leaf = answer.leaf
        where, _ = _segment(leaf.segment, segment)
        parts += [bytes((LEAF,)), where, leaf.replica_length.to_bytes(8, "big"), leaf.data]
        parts += [*leaf.replica_path, *leaf.holding_path]
    elif answer.lost_segment is not None:
        parts += [bytes((LOSS,)), *_segment(answer.lost_segment, segment)]
    elif len(answer.holes) != ATTEMPTS:
        raise RefusedCallError(Refusal.PROOF, "an answer shows neither a leaf nor a loss")
    return b"".join(parts)


def _segment(index: int, segment: Segments) -> tuple[bytes, bytes]:
    """A segment, and the root of its holding."""
    found = segment(index)
    if found is None:
        raise RefusedCallError(Refusal.PROOF, f"this node has no segment {index}")
    where = (
        index.to_bytes(4, "big")
        + found.file
        + found.slot.to_bytes(1, "big")
        + found.start.to_bytes(6, "big")
        + found.leaves.to_bytes(6, "big")
        + found.replica_leaves.to_bytes(6, "big")
    )
    return where, found.root
