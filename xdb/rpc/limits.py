"""Limits of a server: how many calls, how many bytes, how long. docs/network.md says why."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from xdb.errors import (
    InvalidRequestError,
    OverloadedError,
    TimeoutExpiredError,
    UnavailableError,
)
from xdb.model.units import Seconds, Size


@dataclass(frozen=True, slots=True)
class PlaneLimits:
    """What calls of one kind may take at once: all of them, and those of one caller."""

    calls: int
    calls_each: int
    memory: Size
    memory_each: Size


@dataclass(frozen=True, slots=True)
class Limits:
    """All limits of a server."""

    message: Size = (4 << 20) + (64 << 10)  # decompressed
    metadata: Size = 16 << 10
    streams: int = 32  # calls at once on one connection
    calls: int = 1024  # calls at once in all
    calls_per_source: int = 256  # calls at once from one network address
    handshake: Seconds = 5.0
    silence: Seconds = 10.0  # for the next message of a caller, or for it to take ours
    longest: Seconds = 120.0  # a whole call without bulk data
    pace: Size = 64 << 10  # bytes per second, at least, over a whole bulk call
    patience: Seconds = 5.0  # until there is memory for a bulk call
    idle: Seconds = 300.0  # a connection without calls
    age: Seconds = 3600.0  # a connection takes no new calls after that
    replays: int = 1_000_000  # requests remembered while they could be sent again
    bulk: PlaneLimits = field(default_factory=lambda: PlaneLimits(64, 16, 256 << 20, 128 << 20))
    control: PlaneLimits = field(default_factory=lambda: PlaneLimits(256, 32, 256 << 20, 64 << 20))
    open: PlaneLimits = field(default_factory=lambda: PlaneLimits(512, 128, 64 << 20, 64 << 20))

    def for_bytes(self, count: int) -> float:
        """Seconds that a call moving `count` bytes may take."""
        return self.longest + count / self.pace


class Gate:
    """Counts what is under way, in all and by caller, and refuses what is above."""

    def __init__(self, what: str, total: int, each: int) -> None:
        self._what = what
        self._total = total
        self._each = each
        self._inside: Counter[bytes] = Counter()
        self._count = 0

    @contextmanager
    def enter(self, who: bytes) -> Iterator[None]:
        """Inside for one call; OverloadedError when there is no room."""
        if self._inside[who] >= self._each:
            raise OverloadedError(
                f"{self._each} {self._what} of yours are under way, which is the most for one "
                "caller: wait for one to end"
            )
        if self._count >= self._total:
            raise OverloadedError(
                f"{self._count} {self._what} are under way, which is the most: try again later"
            )
        self._inside[who] += 1
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1
            self._inside[who] -= 1
            if not self._inside[who]:
                del self._inside[who]


class Memory:
    """Bytes that may be held at once, in all and by caller. Who finds none waits a while."""

    def __init__(self, total: int, each: int, patience: float) -> None:
        self._total = total
        self._each = each
        self._patience = patience
        self._held: Counter[bytes] = Counter()
        self._sum = 0
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def hold(self, who: bytes, size: int) -> AsyncIterator[None]:
        """Holds `size` bytes; OverloadedError when they do not become free in time."""
        if size > self._each:
            raise InvalidRequestError(
                f"{size} bytes at once, {self._each} are the most: send less in one call"
            )
        try:
            async with asyncio.timeout(self._patience):
                while not self._fits(who, size):
                    await self._freed.wait()
        except TimeoutError as error:
            raise OverloadedError(
                f"no memory for {size} bytes became free within {self._patience:g} s: try again "
                "later, with fewer calls at once"
            ) from error
        self._held[who] += size
        self._sum += size
        try:
            yield
        finally:
            self._sum -= size
            self._held[who] -= size
            if not self._held[who]:
                del self._held[who]
            self._freed.set()
            self._freed = asyncio.Event()

    def _fits(self, who: bytes, size: int) -> bool:
        return self._held[who] + size <= self._each and self._sum + size <= self._total


class Plane:
    """The budget of one kind of calls, so that no other kind can use it up."""

    def __init__(self, name: str, limits: PlaneLimits, patience: float) -> None:
        self.name = name
        self.gate = Gate(f"{name} calls", limits.calls, limits.calls_each)
        self.memory = Memory(limits.memory, limits.memory_each, patience)


class Planes:
    """Bulk data; everything else that is signed; what anybody may ask."""

    def __init__(self, limits: Limits) -> None:
        self.bulk = Plane("bulk", limits.bulk, limits.patience)
        self.control = Plane("control", limits.control, limits.patience)
        self.open = Plane("open", limits.open, limits.patience)


@asynccontextmanager
async def within(seconds: float | None, otherwise: str) -> AsyncIterator[None]:
    """TimeoutExpiredError that says `otherwise` when the body takes longer."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise TimeoutExpiredError(f"{otherwise} within {seconds:g} s") from error


class Subscriptions:
    """Calls that never end by themselves, so that a server that stops need not wait for them."""

    def __init__(self) -> None:
        self._open: set[asyncio.Timeout] = set()

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """The body is such a call; UnavailableError when the server stops."""
        limit = asyncio.timeout(None)
        try:
            async with limit:
                self._open.add(limit)
                try:
                    yield
                finally:
                    self._open.discard(limit)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise UnavailableError("the server is stopping: connect again later") from error

    def end(self) -> None:
        """Ends all of them."""
        for limit in self._open:
            limit.reschedule(asyncio.get_running_loop().time())
