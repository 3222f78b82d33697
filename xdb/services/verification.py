"""Verify: every replica of a file read back and compared with the manifest."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from xdb.core.manifest import commitments
from xdb.core.sealing import commit
from xdb.errors import XdbError
from xdb.index.views import FileView
from xdb.model.ids import NodeId
from xdb.model.storage import Commitment, ReplicaKey
from xdb.ports.compute import Compute
from xdb.services.opening import Opener, OpenFile


@dataclass(frozen=True, slots=True)
class Checked:
    """One replica; `problem` is empty when it is good."""

    slot: int
    node: NodeId
    piece: int
    problem: str
    checked: int
    total: int


@dataclass(frozen=True, slots=True)
class Verification:
    """Reads replicas of one owner's files."""

    opener: Opener
    compute: Compute

    async def verify(self, view: FileView) -> AsyncGenerator[Checked, None]:
        """All replicas, slot by slot."""
        opened = await self.opener.open(view)
        record, pieces = view.record, opened.layout.count
        total, checked = len(record.holders) * pieces, 0
        for slot, node in enumerate(record.holders, start=1):
            wanted = _wanted(opened, slot)
            for piece in range(pieces):
                problem = await self._problem(opened, slot, node, piece, wanted)
                checked += 1
                yield Checked(slot, node, piece, problem, checked, total)

    async def _problem(
        self,
        opened: OpenFile,
        slot: int,
        node: NodeId,
        piece: int,
        wanted: tuple[Commitment, ...],
    ) -> str:
        known = self.opener.record(node)
        if known is None:
            return "its node is not registered any more"
        key = ReplicaKey(opened.view.record.file, slot, piece)
        try:
            data = await self.opener.peer(known).pull(key)
        except XdbError as error:
            return str(error)
        found = await self.compute.in_process(commit, data, opened.manifest.leaf_size)
        if found.length != wanted[piece].length:
            return f"{found.length} bytes where {wanted[piece].length} belong"
        known_root = slot <= len(opened.manifest.slots)
        return "its bytes are other ones" if known_root and found != wanted[piece] else ""


def _wanted(opened: OpenFile, slot: int) -> tuple[Commitment, ...]:
    described = slot if slot <= len(opened.manifest.slots) else 1
    return commitments(opened.manifest, described)
