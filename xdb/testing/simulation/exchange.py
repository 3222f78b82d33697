"""One call: two pipes, an end on each side, and watchdogs that notice silence."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from xdb.testing.simulation.fabric import Fabric, host_of
from xdb.testing.simulation.frames import Frame, Request
from xdb.testing.simulation.pipe import Pipe

LINGER = 60.0
"""Seconds that a held message outlives the interest of its sender."""
_INSTANT = 1e-6


class End(Protocol):
    """One side of a call."""

    @property
    def over(self) -> bool:
        """Whether it takes no more frames."""
        ...

    def take(self, frame: Frame) -> None:
        """A frame has arrived."""
        ...

    def cut(self, why: str) -> None:
        """The connection is gone."""
        ...


class Nobody:
    """The side of a caller who does not exist: a duplicated request has none."""

    over = True

    def take(self, frame: Frame) -> None:
        """Nobody listens."""

    def cut(self, why: str) -> None:
        """Nobody minds."""


class Switch(Protocol):
    """What an exchange needs of the network it is in."""

    fabric: Fabric

    def arrive(self, exchange: "Exchange", request: Request) -> None:
        """A request is at its address."""
        ...

    def break_connection(self, source: str, address: str) -> None:
        """All calls from a host to an address end."""
        ...

    def settled(self, exchange: "Exchange") -> None:
        """One side is done."""
        ...


class Exchange:
    """A call of a host to an address."""

    def __init__(self, switch: Switch, number: int, source: str, address: str) -> None:
        self.number = number
        self.source = source
        self.address = address
        self.host = host_of(address)
        self.fabric = switch.fabric
        self.certificate: bytes | None = None  # the only one the caller trusts
        self.repeatable = False  # its request may arrive twice
        self.client: End = Nobody()
        self.server: End = Nobody()
        self._switch = switch
        fabric = switch.fabric
        there, back = fabric.link(source, self.host), fabric.link(self.host, source)
        self.up = Pipe(fabric, there, self._arrived, self._break)
        self.down = Pipe(fabric, back, self._returned, self._break)

    @property
    def over(self) -> bool:
        """Whether neither side is in it."""
        return self.client.over and self.server.over

    @property
    def silent(self) -> bool:
        """Whether a ping sent now would not come back soon."""
        return self.up.silent or self.down.silent

    def cut(self, why: str) -> None:
        """Ends it on both sides at once; nothing more arrives."""
        self.up.abandon()
        self.down.abandon()
        self.client.cut(why)
        self.server.cut(why)

    def settle(self) -> None:
        """One side is done. What it sent may still arrive, but not for ever."""
        self.up.ring()
        self.down.ring()
        self._switch.settled(self)
        if self.over and not (self.up.idle and self.down.idle):
            self.fabric.start(self._linger())

    async def _linger(self) -> None:
        await self.fabric.clock.sleep(LINGER)
        if self.over:
            self.up.abandon()
            self.down.abandon()

    def _arrived(self, frame: Frame) -> None:
        if isinstance(frame, Request):
            self._switch.arrive(self, frame)
        else:
            self.server.take(frame)

    def _returned(self, frame: Frame) -> None:
        self.client.take(frame)

    def _break(self) -> None:
        self._switch.break_connection(self.source, self.address)


@dataclass(frozen=True, slots=True)
class Patience:
    """How one side notices that the other is not there."""

    ping: float  # seconds between two pings
    pong: float  # seconds that an answer may take


CALLER = Patience(30.0, 10.0)
"""As in `peer.pinning`."""
SERVER = Patience(60.0, 20.0)
"""As in `rpc.server`."""


class Watchdog:
    """Barks once: `late` when the time is over, `dead` when the other side is silent."""

    def __init__(
        self,
        exchange: Exchange,
        patience: Patience,
        timeout: float | None,
        late: Callable[[], None],
        dead: Callable[[], None],
    ) -> None:
        self._exchange = exchange
        self._patience = patience
        self._clock = exchange.fabric.clock
        self._end = None if timeout is None else self._clock.monotonic() + timeout
        self._late = late
        self._dead = dead
        self._barked = False
        self._task = exchange.fabric.start(self._watch())

    def stop(self) -> None:
        """It is not needed any more."""
        if not self._barked:
            self._task.cancel()

    async def _watch(self) -> None:
        bark = await self._wait()
        self._barked = True
        bark()

    async def _wait(self) -> Callable[[], None]:
        while True:
            if await self._slept(self._patience.ping):
                return self._late
            if self._exchange.silent:
                if await self._slept(self._patience.pong):
                    return self._late
                if self._exchange.silent:
                    return self._dead

    async def _slept(self, seconds: float) -> bool:
        """Whether the time is over after as many seconds."""
        left = seconds
        if self._end is not None:
            left = min(seconds, self._end - self._clock.monotonic())
        await self._clock.sleep(left)
        return self._end is not None and self._end - self._clock.monotonic() <= _INSTANT
