"""Journal: forgets uploads that can no longer be finished.

Nodes remove what no record names after the grace for strays, so an upload that began
before that would have to start again anyway.
"""

from dataclasses import dataclass

from xdb.index.index import Index
from xdb.services.upload.journal import Journal


@dataclass(frozen=True, slots=True)
class JournalReport:
    """Uploads forgotten."""

    forgotten: int


@dataclass(frozen=True, slots=True)
class JournalTask:
    """Over one owner's journal; its times are the chain's."""

    index: Index
    journal: Journal

    async def run_once(self) -> JournalReport:
        """One look at every upload."""
        before = self.index.head.time - self.index.parameters.stray_grace
        return JournalReport(await self.journal.forget_before(before))
