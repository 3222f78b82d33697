"""Collector: removes what nobody can ask for any more.

Files that are gone, slots that other nodes have taken over, files that were released, and
what was stored for a record that never came. What `Collection` says is asked once more
when nobody else is at the slot, so that a record which changed meanwhile wins.
"""

from dataclasses import dataclass, field
from itertools import islice

from xdb.errors import XdbError
from xdb.ports.clock import Clock
from xdb.services.collection import Collection, Kept, Name
from xdb.store.catalog import cursor
from xdb.store.replicas import ReplicaStore

TURN = 256
"""Slots looked at before others get their turn."""


@dataclass(frozen=True, slots=True)
class CollectorReport:
    """Slots looked at, removed, and waiting for what; `note` says why nothing was looked at."""

    looked_at: int = 0
    removed: int = 0
    freed: int = 0  # bytes
    waiting_for_receipts: int = 0
    waiting_for_epochs: int = 0
    waiting_for_finality: int = 0
    note: str = ""
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class _Tally:
    """What a cycle has done so far."""

    looked_at: int = 0
    removed: int = 0
    freed: int = 0
    kept: dict[Kept, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def report(self) -> CollectorReport:
        return CollectorReport(
            looked_at=self.looked_at,
            removed=self.removed,
            freed=self.freed,
            waiting_for_receipts=self.kept.get(Kept.RECEIPT, 0),
            waiting_for_epochs=self.kept.get(Kept.EPOCH, 0),
            waiting_for_finality=self.kept.get(Kept.FINALITY, 0),
            problems=tuple(self.problems),
        )


@dataclass(frozen=True, slots=True)
class CollectorTask:
    """Looks through all slots of one node."""

    collection: Collection
    store: ReplicaStore
    clock: Clock

    async def run_once(self) -> CollectorReport:
        """One look at every slot."""
        index, tally = self.collection.index, _Tally()
        age = int(self.clock.wall()) - index.head.time
        if age > index.parameters.receipt_validity:
            # Records may be there that are not known yet; see docs/storage.md.
            return CollectorReport(note=f"nothing goes while the newest known block is {age} s old")
        after = b""
        while page := list(islice(self.store.catalog.names(after), TURN)):
            for name in page:
                if self.store.files.failed:
                    return tally.report()
                tally.looked_at += 1
                try:
                    await self._collect(name, tally)
                except XdbError as error:
                    tally.problems.append(f"slot {name[1]} of file {name[0].hex()}: {error}")
            after = cursor(*page[-1])
            await self.clock.sleep(0)
        return tally.report()

    async def _collect(self, name: Name, tally: _Tally) -> None:
        kept = self._why_kept(name)
        if kept is not None:
            tally.kept[kept] = tally.kept.get(kept, 0) + 1
            return
        freed = await self.store.remove_if(*name, lambda: self._why_kept(name) is None)
        if freed is None:
            return
        self.collection.forget(name)
        if freed:
            tally.removed += 1
            tally.freed += freed

    def _why_kept(self, name: Name) -> Kept | None:
        """None, too, for a slot that is not here any more."""
        stored = self.store.slot(*name)
        return None if stored is None else self.collection.why_kept(stored)
