"""What a node answers to an epoch's draws, given the segments it knows of itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdb.core import merkle
from xdb.core.sampling import ATTEMPTS, Spot, draw, node_seed, spot
from xdb.model.calls import Leaf
from xdb.model.ids import Digest, FileId, NodeId
from xdb.model.storage import Commitment


@dataclass(frozen=True, slots=True)
class Span:
    """A segment as its node knows it."""

    index: int
    start: int
    leaves: int
    replica_leaves: int
    file: FileId
    slot: int
    hole: bool


@dataclass(frozen=True, slots=True)
class Question:
    """One draw: the holes it met, and the leaf it asks for unless it is void."""

    holes: tuple[int, ...]
    span: Span | None
    spot: Spot | None


def questions(
    seed: Digest, node: NodeId, count: int, leaves: int, span_at: Callable[[int], Span]
) -> list[Question]:
    """The epoch's `count` draws over the node's first `leaves` leaves.

    `span_at` gives the segment that a leaf of the address space lies in.
    """
    own = node_seed(seed, node)
    return [_question(own, number, leaves, span_at) for number in range(count)]


def _question(seed: Digest, number: int, leaves: int, span_at: Callable[[int], Span]) -> Question:
    holes: list[int] = []
    for attempt in range(ATTEMPTS):
        leaf = draw(seed, number, attempt, leaves)
        span = span_at(leaf)
        if not span.hole:
            where = spot(leaf - span.start, span.leaves, span.replica_leaves)
            return Question(tuple(holes), span, where)
        holes.append(span.index)
    return Question(tuple(holes), None, None)


def leaf(
    question: Question,
    data: bytes,
    replica_path: tuple[Digest, ...],
    commitments: Sequence[Commitment],
) -> Leaf:
    """The answer that shows the leaf `data`, with its path within the replica.

    `commitments` are those of all replicas of the holding.
    """
    if question.span is None or question.spot is None:
        raise ValueError("a void draw has no answer")
    where = question.spot
    holding = [merkle.replica_leaf(commitment) for commitment in commitments]
    return Leaf(
        segment=question.span.index,
        data=data,
        replica_length=commitments[where.replica].length,
        replica_path=replica_path,
        holding_path=merkle.path(holding, where.replica),
    )
