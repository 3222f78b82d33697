"""Collector: removes what was stored for a record that never came.

A receipt is valid for less than the grace that strays get, and the chain refuses it
afterwards. So once chain time is past the grace, a slot that no record names will never
be named: it can go, accepted or not.
"""

from dataclasses import dataclass

from xdb.errors import XdbError
from xdb.services.facts import Facts
from xdb.store.replicas import ReplicaStore, StoredSlot

TURN = 256
"""Slots looked at before others get their turn."""


@dataclass(frozen=True, slots=True)
class CollectorReport:
    """Slots looked at and removed; problems with the others."""

    looked_at: int
    removed: int
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CollectorTask:
    """Looks through all slots of one node."""

    facts: Facts
    store: ReplicaStore

    async def run_once(self) -> CollectorReport:
        """One look at every slot."""
        looked_at, removed, problems = 0, 0, []
        after = b""
        while page := self._page(after):
            for cursor, slot in page:
                after = cursor
                looked_at += 1
                try:
                    removed += await self._collect(slot)
                except XdbError as error:
                    problems.append(f"slot {slot.ref.slot} of {slot.ref.file.hex()}: {error}")
        return CollectorReport(looked_at, removed, tuple(problems))

    def _page(self, after: bytes) -> list[tuple[bytes, StoredSlot]]:
        return [item for _, item in zip(range(TURN), self.store.slots(after), strict=False)]

    async def _collect(self, slot: StoredSlot) -> bool:
        """Whether the slot was a stray past its grace, and is gone now."""
        head = self.facts.records.head
        if head.final < head.height:
            return False  # what the newest blocks say may yet be undone
        before = self.facts.now - self.facts.parameters.stray_grace
        if slot.since >= before or self.facts.records.file(slot.ref.file) is not None:
            return False
        return await self.store.remove_stray(slot.ref.file, slot.ref.slot, before)
