"""Journal: forgets uploads that nobody will finish.

What an upload stored is removed by the nodes once nothing came for the grace that strays
get, so after that it would have to start again anyway. It may take longer than that
itself, though: it is forgotten much later.
"""

from dataclasses import dataclass

from xdb.index.index import Index
from xdb.services.upload.journal import Journal

LONGEST = 30 * 86400
"""Seconds of chain time that an upload may take."""


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
        before = self.index.head.time - LONGEST - self.index.parameters.stray_grace
        return JournalReport(await self.journal.forget_before(before))
