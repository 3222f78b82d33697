"""Scrubber: re-hashes all that a storage node keeps, again and again.

A round goes through every manifest and replica once, in the order of the catalog, and takes
half of the promised time at most. So a file that is looked at early in one round and late in
the next is still looked at in time, whatever comes and goes in between. How far a round is
survives a restart.

Each cycle ends with a look at what should be here and is not, and with giving up what was
not restored in time.
"""

from dataclasses import dataclass, field, replace
from itertools import islice
from math import inf

from xdb.core.encoding import decode, encode
from xdb.errors import ConfigError, NotFoundError, OverloadedError, XdbError
from xdb.model.storage import ReplicaKey
from xdb.model.units import Seconds
from xdb.ports.clock import Clock
from xdb.runtime.logging import Log
from xdb.services.inventory import Inventoried, Inventory
from xdb.services.surrender import Surrendered, Surrendering
from xdb.store.catalog import Part
from xdb.store.replicas import ReplicaStore

KEY = b"scrub"
"""Where the round is kept in the catalog's store."""

_PAGE = 64  # entries of the catalog read at once
_SHORTEST = 1.0
_PATIENCE = 3


@dataclass(frozen=True, slots=True)
class ScrubConfig:
    """How soon damage is found, and how long its owner may take to restore it."""

    within: Seconds = 7 * 86400.0  # in which every stored byte is re-hashed
    restore_within: Seconds = 3600.0  # of chain time, after which a damaged slot is given up
    pause: Seconds = 60.0  # between two cycles, at most

    def __post_init__(self) -> None:
        """There must be time to look at something."""
        if self.within < _SHORTEST:
            raise ConfigError(
                f"scrub.within is {self.within:g} s: name the time in which everything is "
                "re-hashed, such as '7d'"
            )
        if self.pause <= 0:
            raise ConfigError(f"scrub.pause is {self.pause:g} s: name a time, such as '1 min'")

    @property
    def every(self) -> float:
        """Seconds between cycles."""
        return min(self.pause, self.within / 100)

    @property
    def round(self) -> float:
        """Seconds that a round may take."""
        return self.within / 2


@dataclass(frozen=True, slots=True)
class Round:
    """How far the scrubber is. Times are Unix seconds, 0 for never."""

    start: int
    done: int = 0  # bytes
    after: bytes = b""  # the catalog's cursor
    ended: int = 0  # when the round before was complete


@dataclass(frozen=True, slots=True)
class ScrubReport:
    """What a cycle looked at and found; how far its round is, and when the last one ended."""

    replicas: int
    manifests: int
    bytes: int
    damaged: int
    progress: float  # of the round, 0 to 1
    last_round: int  # Unix seconds, 0 for never
    missing: int = 0
    surrendered: int = 0
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class _Tally:
    """What a cycle has done so far."""

    replicas: int = 0
    manifests: int = 0
    bytes: int = 0
    damaged: int = 0
    busy: int = 0  # in a row that there were no means to look at
    problems: list[str] = field(default_factory=list)


@dataclass(slots=True)
class ScrubberTask:
    """Re-hashes one node's store in `config.within` seconds, part by part."""

    store: ReplicaStore
    inventory: Inventory
    surrendering: Surrendering
    config: ScrubConfig
    clock: Clock
    log: Log
    _round: Round | None = None
    _began: float = 0.0  # the round, by the monotonic clock: the other one may jump

    async def run_once(self) -> ScrubReport:
        """Looks at what is due, at one replica at least; then gives up what is overdue."""
        tally = _Tally()
        scrub = self._current()
        if self._is_over(scrub):
            scrub = self._next(scrub)  # what was left of it is gone
        scrub = await self._look(scrub, self._budget(scrub), tally)
        progress = self._progress(scrub)
        if not self.store.files.failed and self._is_over(scrub):
            scrub, progress = self._next(scrub), 1.0
        await self._keep(scrub, tally)
        missing, given = Inventoried(), Surrendered()
        if not self.store.files.failed:
            missing = await self.inventory.run_once()
            given = await self.surrendering.run_once()
        for file, slot in given.slots:
            self.log.warning("slot.surrendered", file=file, slot=slot)
        return ScrubReport(
            tally.replicas,
            tally.manifests,
            tally.bytes,
            tally.damaged,
            round(progress, 3),
            scrub.ended,
            missing.missing,
            len(given.slots),
            (*tally.problems, *missing.problems, *given.problems),
        )

    async def _look(self, scrub: Round, budget: float, tally: _Tally) -> Round:
        # A cycle that catches up ends in time for the next, so that reports and
        # surrenders do not wait for it.
        until, behind = self.clock.monotonic() + self.config.every, scrub
        while page := list(islice(self.store.catalog.parts(scrub.after), _PAGE)):
            for part in page:
                if self.store.files.failed:
                    return scrub
                behind = scrub if not tally.busy else behind
                await self._verify(part, tally)
                if tally.busy == _PATIENCE:
                    return behind  # nothing can be looked at just now: the next cycle tries again
                scrub = replace(scrub, done=scrub.done + part.size, after=part.cursor)
                await self.clock.sleep(0)
                enough = tally.bytes >= budget or self.clock.monotonic() >= until
                if enough and tally.replicas:
                    return scrub
        return scrub

    async def _verify(self, part: Part, tally: _Tally) -> None:
        try:
            if part.piece is None:
                await self.store.verify_manifest(part.file, part.slot)
                tally.manifests += 1
            else:
                await self.store.verify(ReplicaKey(part.file, part.slot, part.piece))
                tally.replicas += 1
        except NotFoundError:
            return  # removed meanwhile
        except XdbError as error:
            if not self.store.files.failed:  # else the node says so, and ends
                what = "manifest" if part.piece is None else f"piece {part.piece}"
                where = f"slot {part.slot} of file {part.file.hex()}"
                tally.problems.append(f"{what} of {where}: {error}")
            tally.busy = tally.busy + 1 if isinstance(error, OverloadedError) else 0
            return
        tally.busy = 0
        tally.bytes += part.size
        damage = self.store.catalog.damage(part.file, part.slot, part.piece)
        if damage is not None:
            tally.damaged += 1
            self.log.warning(
                "replica.damaged",
                file=part.file,
                slot=part.slot,
                piece=part.piece,
                manifest=part.piece is None,
                since=damage.since,
                reason=damage.reason,
            )

    # ------------------------------------------------------------ the round

    def _budget(self, scrub: Round) -> float:
        """Bytes of this cycle, so that the round ends in time; no limit when that is near."""
        left = self._began + self.config.round - self.clock.monotonic()
        if left <= 2 * self.config.every:
            return inf
        return self._remaining(scrub) * self.config.every / left

    def _remaining(self, scrub: Round) -> float:
        """Bytes behind the position, at most.

        The count is wrong once something was removed that had been looked at. The position
        is not, for file ids are spread evenly; with few files it is coarse.
        """
        used = self.store.room.used
        position = int.from_bytes(scrub.after[:8], "big") / 2**64
        return max(used - scrub.done, used * (1 - position))

    def _progress(self, scrub: Round) -> float:
        return min(1.0, scrub.done / max(1, self.store.room.used))

    def _is_over(self, scrub: Round) -> bool:
        return next(self.store.catalog.parts(scrub.after), None) is None

    def _next(self, scrub: Round) -> Round:
        self._began = self.clock.monotonic()
        now = int(self.clock.wall())
        return replace(scrub, start=now, done=0, after=b"", ended=now)

    def _current(self) -> Round:
        if self._round is None:
            now = self.clock.wall()
            self._round = self._kept() or Round(int(now))
            self._began = self.clock.monotonic() - max(0.0, now - self._round.start)
        return self._round

    def _kept(self) -> Round | None:
        value = self.store.catalog.kv.get(KEY)
        try:
            return None if value is None else decode(Round, value)
        except ValueError:
            return None  # another version's: a new round costs nothing but time

    async def _keep(self, scrub: Round, tally: _Tally) -> None:
        self._round = scrub
        if self.store.files.failed:
            return
        try:
            await self.store.catalog.kv.write({KEY: encode(scrub)}, sync=False)
        except XdbError as error:  # a restart begins further back
            tally.problems.append(f"the position was not kept: {error}")
