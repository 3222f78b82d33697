"""The list of what is damaged or missing, kept in the catalog."""

from collections.abc import Callable, Sequence

from xdb.model.ids import FileId
from xdb.store import catalog
from xdb.store.catalog import Catalog, DamageEntry
from xdb.store.durable import DurableFiles


class DamageList:
    """Puts on it and strikes off, durable on return. Without a piece it is about a manifest."""

    def __init__(self, files: DurableFiles, known: Catalog, time: Callable[[], int]) -> None:
        self._files = files
        self._catalog = known
        self._time = time

    async def add(self, file: FileId, slot: int, piece: int | None, reason: str) -> None:
        """Lists; what is listed already keeps the time at which that was first done."""
        if self._files.failed:
            return  # the next start looks at everything
        former = self._catalog.damage(file, slot, piece)
        entry = DamageEntry(reason, (former and former.since) or self._time())
        if entry != former:
            await self._write(file, slot, piece, entry)

    async def add_all(
        self, file: FileId, slot: int, pieces: Sequence[int | None], reason: str
    ) -> int:
        """Lists several of one slot at once; what is listed already stays as it is."""
        new = [p for p in pieces if self._catalog.damage(file, slot, p) is None]
        if self._files.failed or not new:
            return 0
        batch = catalog.Batch()
        for piece in new:
            catalog.put_damage(batch, file, slot, piece, DamageEntry(reason, self._time()))
        await self._files.commit(batch)
        return len(new)

    async def clear(self, file: FileId, slot: int, piece: int | None) -> None:
        """Strikes off what turned out to be sound."""
        if self._catalog.damage(file, slot, piece) is not None:
            await self._write(file, slot, piece, None)

    async def _write(
        self, file: FileId, slot: int, piece: int | None, entry: DamageEntry | None
    ) -> None:
        batch = catalog.Batch()
        catalog.put_damage(batch, file, slot, piece, entry)
        await self._files.commit(batch)
