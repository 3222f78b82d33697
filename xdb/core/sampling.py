"""Which leaves an epoch asks of a node: the draws, and where in a holding a leaf lies.

::

    seed of a node   SHA256(epoch seed || node)
    draw k           SHA256(node seed || be32(k)) mod N
    drawn again      SHA256(node seed || be32(k) || be32(attempt)) mod N, attempt 1, 2, ...

N is the number of leaves in the node's address space, holes included.
"""

from dataclasses import dataclass
from hashlib import sha256

from xdb.model.ids import Digest, NodeId

ATTEMPTS = 16
"""Holes a draw may meet before it is void."""


def node_seed(seed: Digest, node: NodeId) -> Digest:
    """The seed of one node in an epoch."""
    return Digest(sha256(seed + node).digest())


def draw(seed: Digest, number: int, attempt: int, leaves: int) -> int:
    """The leaf of the address space that draw `number` asks for; `seed` is the node's."""
    message = seed + number.to_bytes(4, "big")
    if attempt:
        message += attempt.to_bytes(4, "big")
    return int.from_bytes(sha256(message).digest(), "big") % leaves


@dataclass(frozen=True, slots=True)
class Spot:
    """A leaf of a holding: leaf `leaf` of `leaves` in replica `replica` of `replicas`."""

    replica: int
    replicas: int
    leaf: int
    leaves: int


def spot(offset: int, leaves: int, replica_leaves: int) -> Spot:
    """Where leaf `offset` of a holding lies; all replicas but the last have `replica_leaves`."""
    replicas = -(-leaves // replica_leaves)
    replica = offset // replica_leaves
    last = leaves - (replicas - 1) * replica_leaves
    return Spot(
        replica=replica,
        replicas=replicas,
        leaf=offset % replica_leaves,
        leaves=last if replica == replicas - 1 else replica_leaves,
    )
