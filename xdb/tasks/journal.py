"""Journal: forgets uploads that nobody will finish, and those long finished."""

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
        """One look at the uploads whose time has come."""
        return JournalReport(await self.journal.forget_due(self.index.head.time))
