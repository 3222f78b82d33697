"""Renewer: an owner's files live on without anybody thinking of it, and end for good.

Live files of the namespaces that are named get a later expiry before theirs comes. Files
that are gone are released, so that the chain forgets them.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from xdb.errors import ConfigError, RefusedCallError, UnavailableError, XdbError
from xdb.index.index import Index
from xdb.index.keys import number
from xdb.index.views import FileStatus, FileView
from xdb.model.calls import Release
from xdb.model.ids import Tag
from xdb.model.refusal import Refusal
from xdb.model.units import Seconds
from xdb.ports.blockchain import Registry
from xdb.ports.clock import Clock
from xdb.services.catalog import Catalog, FileRefById

RENEWED = 50
RELEASED = 200
"""Files a cycle tries; those that fail do not keep the others waiting."""

_DAY = 86400.0
_BEHIND = b"\xff" * 32  # any file's id
_SETTLED = {Refusal.FILE_UNKNOWN, Refusal.NOT_GONE}


@dataclass(frozen=True, slots=True)
class RenewConfig:
    """Which files are renewed, how long before they expire, and for how long."""

    namespaces: tuple[str, ...] = ()  # none: nothing is renewed
    ahead: Seconds = 30 * _DAY
    lifetime: Seconds = 365 * _DAY

    def __post_init__(self) -> None:
        """What was renewed must not be due again at once."""
        if self.lifetime <= self.ahead:
            raise ConfigError(
                f"renew.lifetime is {self.lifetime:g} s and renew.ahead {self.ahead:g} s: files "
                "have to live longer than they are renewed ahead"
            )


@dataclass(frozen=True, slots=True)
class RenewerReport:
    """Files renewed and released; problems with others."""

    renewed: int = 0
    released: int = 0
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class RenewerTask:
    """Of one owner. A cycle goes on where the one before ended."""

    catalog: Catalog
    registry: Registry
    config: RenewConfig
    clock: Clock
    _renew_after: bytes = b""
    _release_after: bytes = b""

    async def run_once(self) -> RenewerReport:
        """Renews what expires soon, then releases what is gone: a bounded number of each."""
        problems: list[str] = []
        renewed = await self._renew_some(problems)
        released = await self._release_some(problems)
        return RenewerReport(renewed, released, tuple(problems))

    @property
    def _index(self) -> Index:
        return self.catalog.index

    # ------------------------------------------------------------ renewing

    async def _renew_some(self, problems: list[str]) -> int:
        namespaces = self._namespaces(problems)
        now, renewed, tried = self._index.head.time, 0, 0
        if not namespaces:
            return 0
        # What ended is before this in the order of ends.
        start = max(self._renew_after, number(now) + _BEHIND)
        self._renew_after = b""
        async for after, view in self._ending(start, now + int(self.config.ahead), problems):
            expiry = self._expiry()
            if view.record.namespace not in namespaces or view.record.expiry >= expiry:
                continue
            if self._index.status(view) is not FileStatus.LIVE:
                continue
            if tried == RENEWED:
                return renewed
            tried, self._renew_after = tried + 1, after
            try:
                await self.catalog.renew(FileRefById(view.record.file), expiry)
            except XdbError as error:
                problems.append(f"file {view.record.file.hex()}: {error}")
            else:
                renewed += 1
        self._renew_after = b""
        return renewed

    def _namespaces(self, problems: list[str]) -> set[Tag]:
        found = set()
        for name in self.config.namespaces:
            try:
                found.add(self.catalog.namespace_tag(name))
            except XdbError as error:
                problems.append(f"renew.namespaces: {error}")
        return found

    def _expiry(self) -> int:
        longest = self._index.parameters.max_lifetime
        return self._index.head.time + min(int(self.config.lifetime), longest)

    # ------------------------------------------------------------ releasing

    async def _release_some(self, problems: list[str]) -> int:
        released, tried = 0, 0
        start, self._release_after = self._release_after, b""
        gone = self._index.head.time - self._index.parameters.retention + 1
        async for after, view in self._ending(start, gone, problems):
            if tried == RELEASED:
                return released
            tried, self._release_after = tried + 1, after
            try:
                released += await self._release(view)
            except XdbError as error:
                problems.append(f"file {view.record.file.hex()} was not released: {error}")
                if isinstance(error, UnavailableError):
                    break  # the others would wait as long for the same
        self._release_after = b""
        return released

    async def _release(self, view: FileView) -> bool:
        try:
            included = await self.registry.submit(Release(view.record.file))
        except RefusedCallError as error:
            if error.refusal not in _SETTLED:
                raise
            return False  # somebody else did, in a block that is not known here yet
        await self._index.reached(included.height)
        return True

    async def _ending(
        self, after: bytes, before: int, problems: list[str]
    ) -> AsyncIterator[tuple[bytes, FileView]]:
        """The owner's files that end before a time, in that order, each behind its cursor."""
        if before <= 0:
            return
        owner = self.catalog.owner
        while True:
            page = self._index.expiring(before, of=owner, after=after, problems=problems)
            for view in page.items:
                yield number(view.record.ends()) + view.record.file, view
            if not page.next:
                return
            after = page.next
            await self.clock.sleep(0)  # there may be any number, all of other namespaces
