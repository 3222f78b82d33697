"""Whether bytes are what was announced."""

from xdb.core.merkle import replica_root
from xdb.core.sealing import commit
from xdb.errors import IntegrityError
from xdb.model.storage import Commitment, ReplicaKey, SlotRef
from xdb.ports.compute import Buffer, Compute

SMALL = 64 << 10
"""Replicas up to this size are committed to on the spot: sending them away costs more."""


class Checker:
    """Commits to sealed bytes; large ones in a worker process."""

    def __init__(self, compute: Compute, leaf_size: int) -> None:
        self._compute = compute
        self._leaf_size = leaf_size

    async def commitment(self, data: Buffer) -> Commitment:
        """Length and root of the bytes."""
        length = memoryview(data).nbytes
        if length <= SMALL:
            return Commitment(length, replica_root(data, self._leaf_size))
        return await self._compute.in_process(commit, data, self._leaf_size)

    async def check(self, key: ReplicaKey, announced: Commitment, data: Buffer) -> None:
        """IntegrityError unless the bytes are those that were announced."""
        length = memoryview(data).nbytes
        if length != announced.length:
            raise IntegrityError(
                f"{named(key)}: {length} bytes came where {announced.length} were announced: "
                "push it again"
            )
        if (await self.commitment(data)).root != announced.root:
            raise IntegrityError(
                f"{named(key)}: the bytes do not have the announced root: push it again"
            )


def named(what: ReplicaKey | SlotRef) -> str:
    """A replica or a slot, for messages."""
    where = f"slot {what.slot} of file {what.file.hex()}"
    return f"piece {what.piece} of {where}" if isinstance(what, ReplicaKey) else where
