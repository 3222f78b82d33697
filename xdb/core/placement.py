"""Placement: which nodes hold a file's slots. A pure function of candidates and a seed.

Nodes are drawn one after the other. Of those left, healthy ones come first, then
those of the operator least used so far, then of the zone least used so far; among
equals weighted rendezvous hashing decides (Schindelhauer and Schomaker, *Weighted
Distributed Hash Tables*, 2005): the smallest -ln(u) / weight wins, with u in (0, 1)
from SHA-256 of seed and node, and the node's free bytes as weight. A node's chance is
its share of free space, and a candidate that was not chosen can go away without
changing the choice.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from xdb.errors import PlacementError
from xdb.model.ids import NodeId

_BITS = 52  # so that (draw + 1/2) / 2**_BITS is exact, above 0 and below 1


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node as placement sees it; `free` is bytes."""

    node: NodeId
    operator: str
    zone: str
    free: int
    healthy: bool
    allowed: bool = True


def place(
    candidates: Sequence[Candidate],
    count: int,
    piece_bytes: int,
    seed: bytes,
    taken: Collection[NodeId] = (),
) -> tuple[NodeId, ...]:
    """`count` different nodes with room for `piece_bytes` each, none of them in `taken`.

    The order of `candidates` does not matter. `taken` are nodes that hold slots of the
    file already: their operators and zones count as used. PlacementError when there
    are too few usable nodes.
    """
    usable = [c for c in candidates if _objection(c, piece_bytes, taken) is None]
    if len({c.node for c in usable}) < count:
        raise PlacementError(_shortage(candidates, count, piece_bytes, taken))
    operators = Counter(c.operator for c in candidates if c.node in taken)
    zones = Counter(c.zone for c in candidates if c.node in taken)
    draws = {c: (_draw(seed, c), c.node) for c in usable}
    chosen: list[NodeId] = []
    while len(chosen) < count:
        best = min(
            draws,
            key=lambda c: (not c.healthy, operators[c.operator], zones[c.zone], draws[c]),
        )
        chosen.append(best.node)
        operators[best.operator] += 1
        zones[best.zone] += 1
        draws = {c: draw for c, draw in draws.items() if c.node != best.node}
    return tuple(chosen)


def _draw(seed: bytes, candidate: Candidate) -> float:
    digest = hashlib.sha256(len(seed).to_bytes(4, "big") + seed + candidate.node).digest()
    uniform = ((int.from_bytes(digest[:8], "big") >> (64 - _BITS)) + 0.5) / (1 << _BITS)
    return -math.log(uniform) / max(candidate.free, 1)


def _objection(candidate: Candidate, piece_bytes: int, taken: Collection[NodeId]) -> str | None:
    """Why the node cannot be taken."""
    if candidate.node in taken:
        return "holding a slot of the file already"
    if not candidate.allowed:
        return "denied by the trust policy"
    if candidate.free < piece_bytes:
        return f"with less than {piece_bytes} bytes free"
    return None


def _shortage(
    candidates: Iterable[Candidate], count: int, piece_bytes: int, taken: Collection[NodeId]
) -> str:
    reasons: dict[NodeId, str | None] = {
        c.node: _objection(c, piece_bytes, taken) for c in sorted(candidates, key=lambda c: c.node)
    }
    tally = Counter(reason for reason in reasons.values() if reason is not None)
    usable = len(reasons) - tally.total()
    others = ", ".join(f"{n} {reason}" for reason, n in sorted(tally.items()))
    return (
        f"{count} storage nodes are needed, {usable} of {len(reasons)} known are usable"
        f"{f' ({others})' if others else ''}: "
        "add nodes or room, allow more of them, or choose a lower redundancy"
    )
