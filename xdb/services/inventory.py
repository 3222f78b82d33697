"""Inventory: what the chain says a node holds, compared with what it has.

A node whose disk was replaced is still named as the holder of slots of which it has
nothing. They are listed as damaged, so that their owners restore them in place, or the node
gives them up after the grace, like anything damaged.

A record names a node only behind its receipt, so what is missing here was here before.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from xdb.errors import XdbError
from xdb.index.index import Index
from xdb.model.ids import FileId, NodeId
from xdb.model.storage import Damage
from xdb.ports.clock import Clock
from xdb.store.catalog import cursor
from xdb.store.replicas import ReplicaStore

LOOKED_AT = 500
"""Slots of a cycle, and entries of the list."""

_SLOT = "the slot is missing"
_PIECE = "the piece is missing"


@dataclass(frozen=True, slots=True)
class Inventoried:
    """Slots compared, missing pieces and slots newly listed, those struck off, problems."""

    looked_at: int = 0
    missing: int = 0
    struck_off: int = 0
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class Inventory:
    """Of one node. A cycle goes on where the one before ended."""

    node: NodeId
    index: Index
    store: ReplicaStore
    clock: Clock
    limit: int = LOOKED_AT
    _after: bytes = b""
    _listed_after: bytes = b""

    async def run_once(self) -> Inventoried:
        """Compares a part of what is held."""
        page = self.index.held_by(self.node, self._after, self.limit)
        self._after = page.next
        missing, problems = 0, []
        for file, slot in page.items:
            await self.clock.sleep(0)
            try:
                missing += await self._compare(file, slot)
            except XdbError as error:
                problems.append(f"slot {slot} of file {file.hex()}: {error}")
        struck_off = 0
        for damage in self._listed():
            await self.clock.sleep(0)
            try:
                struck_off += await self._strike_off(damage.file, damage.slot)
            except XdbError as error:
                problems.append(f"slot {damage.slot} of file {damage.file.hex()}: {error}")
        return Inventoried(len(page.items), missing, struck_off, tuple(problems))

    def _listed(self) -> list[Damage]:
        """A part of the list of what is damaged, behind the part before."""
        found = list(islice(self.store.catalog.damaged(self._listed_after), self.limit))
        self._listed_after = b""
        if len(found) == self.limit:
            last = found[-1]
            self._listed_after = cursor(last.file, last.slot, None if last.manifest else last.piece)
        return found

    async def _compare(self, file: FileId, slot: int) -> int:
        look = self._looking(file, slot)
        if not look():
            return 0
        reason = _SLOT if None in look() else _PIECE
        return await self.store.list_missing(file, slot, look, reason)

    def _looking(self, file: FileId, slot: int) -> Callable[[], list[int | None]]:
        return lambda: self._missing(file, slot)

    def _missing(self, file: FileId, slot: int) -> list[int | None]:
        """Pieces of a held slot that are not here; None alone when all of it is missing."""
        count = self._replicas(file, slot)
        if not count:
            return []
        stored = self.store.slot(file, slot)
        if stored is None or not stored.accepted:
            return [None]
        here = set(self.store.catalog.pieces(file, slot))
        return [piece for piece in range(count) if piece not in here]

    async def _strike_off(self, file: FileId, slot: int) -> bool:
        if self.store.slot(file, slot) is not None or self._is_named(file, slot):
            return False
        return await self.store.forget_missing(file, slot, lambda: not self._is_named(file, slot))

    def _replicas(self, file: FileId, slot: int) -> int:
        """Replicas of a slot that this node has to have; 0 when it has not to."""
        view = self.index.file(file)
        if view is None or slot in view.lost or not self._is_named(file, slot):
            return 0
        return view.holdings[slot - 1].replicas

    def _is_named(self, file: FileId, slot: int) -> bool:
        """Whether a record that is not gone names this node for a slot."""
        view = self.index.file(file)
        if view is None or not 1 <= slot <= len(view.record.holders):
            return False
        gone = view.record.gone(self.index.parameters.retention)
        return view.record.holders[slot - 1] == self.node and self.index.head.time < gone
