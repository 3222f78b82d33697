"""Commitments to replicas, computed wherever that is cheapest."""

from xdb.core.sealing import commit
from xdb.model.buffer import Buffer
from xdb.model.storage import Commitment
from xdb.ports.compute import Compute

INLINE = 64 << 10
"""Up to this size handing the work over costs more than doing it."""


async def commitment_of(compute: Compute, data: Buffer, leaf_size: int) -> Commitment:
    """Length and root of a replica."""
    if memoryview(data).nbytes <= INLINE:
        return commit(data, leaf_size)
    return await compute.in_process(commit, data, leaf_size)
