"""Verify: every replica of a file read back and compared with the manifest."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from xdb.core.manifest import commitments
from xdb.core.merkle import holding_root
from xdb.errors import XdbError
from xdb.index.views import FileView
from xdb.model.ids import NodeId
from xdb.model.storage import Commitment, ReplicaKey
from xdb.ports.compute import Compute
from xdb.services.committing import commitment_of
from xdb.services.opening import Opener, OpenFile

AT_ONCE = 3
"""Replicas that are read at once."""

Found = Commitment | str
"""What a replica is, or why that is not known."""
Ahead = deque[tuple[int, int, asyncio.Task[Found]]]


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
        places = iter([(slot, piece) for slot in _slots(view) for piece in range(pieces)])
        ahead: Ahead = deque()
        judge = _Judge(opened)
        try:
            while True:
                while len(ahead) < AT_ONCE and (place := next(places, None)) is not None:
                    reading = self._read(opened, *place)
                    ahead.append((*place, self.opener.spawn.start(reading, name="verify")))
                if not ahead:
                    return
                slot, piece, task = ahead[0]
                problem = judge.problem(slot, piece, await task)
                ahead.popleft()
                checked += 1
                yield Checked(slot, record.holders[slot - 1], piece, problem, checked, total)
        finally:
            for _, _, task in ahead:
                task.cancel()

    async def _read(self, opened: OpenFile, slot: int, piece: int) -> Found:
        record = opened.view.record
        known = self.opener.record(record.holders[slot - 1])
        if slot in opened.view.lost:
            return "its node gave it up"
        if known is None:
            return "its node is not registered any more"
        try:
            data = await self.opener.peer(known).pull(ReplicaKey(record.file, slot, piece))
        except XdbError as error:
            return str(error)
        return await commitment_of(self.compute, data, opened.manifest.leaf_size)


class _Judge:
    """Judges replicas; those of slots added after publishing by the root of the whole slot."""

    def __init__(self, opened: OpenFile) -> None:
        self._view = opened.view
        self._lengths = commitments(opened.manifest, 1)
        self._wanted = {
            slot: commitments(opened.manifest, slot)
            for slot in range(1, len(opened.manifest.slots) + 1)
        }
        self._slot, self._found = 0, list[Commitment]()

    def problem(self, slot: int, piece: int, found: Found) -> str:
        """What is wrong with a replica; they come in order."""
        if isinstance(found, str):
            return found
        length = self._lengths[piece].length
        if found.length != length:
            return f"{found.length} bytes where {length} belong"
        if slot in self._wanted:
            return "" if found == self._wanted[slot][piece] else "its bytes are other ones"
        if slot != self._slot:
            self._slot, self._found = slot, []
        self._found.append(found)
        if len(self._found) < len(self._lengths):  # or one of them could not be read
            return ""
        if holding_root(self._found) == self._view.holdings[slot - 1].root:
            return ""
        return "the slot's root is another one: at least one of its replicas is wrong"


def _slots(view: FileView) -> range:
    return range(1, len(view.record.holders) + 1)
