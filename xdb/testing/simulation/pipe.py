"""One direction of one call: what goes in comes out in order, later, or not at all."""

from collections import deque
from collections.abc import Callable

from xdb.testing.simulation.fabric import Bell, Fabric
from xdb.testing.simulation.frames import Data, Frame
from xdb.testing.simulation.links import Fate, Link

WINDOW = 4
"""Messages under way in one direction before the sender waits for the receiver to take one."""
_INSTANT = 1e-9


class Pipe:
    """Delivers frames over a link. What overtakes what is decided between calls only."""

    def __init__(
        self,
        fabric: Fabric,
        link: Link,
        deliver: Callable[[Frame], None],
        broken: Callable[[], None],
    ) -> None:
        self.link = link
        self.lost = False  # nothing arrives any more
        self._fabric = fabric
        self._deliver = deliver
        self._broken = broken
        self._queue: deque[tuple[float, Frame]] = deque()
        self._last = 0.0
        self._untaken = 0
        self._bell = Bell()
        self._stop: Callable[[], object] | None = None  # while something is carried

    @property
    def idle(self) -> bool:
        """Whether nothing is on its way."""
        return not self._queue

    @property
    def full(self) -> bool:
        """Whether the sender of messages must wait."""
        return self._untaken >= WINDOW

    @property
    def silent(self) -> bool:
        """Whether nothing sent now would arrive soon."""
        return self.lost or self._fabric.held(self.link)

    async def room(self, ended: Callable[[], bool]) -> None:
        """Returns when the receiver has taken enough, or when the call has `ended`."""
        await self._bell.until(lambda: not self.full or ended())

    def taken(self) -> None:
        """The receiver took a message."""
        self._untaken -= 1
        self.ring()

    def ring(self) -> None:
        """Senders look again."""
        self._bell.ring()

    def send(self, frame: Frame) -> None:
        """Gives a frame to the link."""
        if self.lost:
            return
        self._untaken += isinstance(frame, Data)
        match self.link.fate():
            case Fate.LOST:
                self._fabric.faults["lost"] += 1
                self.lost = True
                return
            case Fate.BROKEN:
                self._fabric.faults["broken"] += 1
                self._broken()
                return
        self._last = max(self._last, self.link.arrival(frame.size))
        self._queue.append((self._last, frame))
        if self._stop is None:
            self._stop = self._fabric.start(self._carry()).cancel

    def abandon(self) -> None:
        """What is on its way never arrives."""
        self.lost = True
        self._queue.clear()
        if self._stop is not None:
            self._stop()
            self._stop = None

    def _send_again(self) -> None:
        """What waited comes after a delay of its own, as TCP would send it again."""
        frames = [frame for _, frame in self._queue]
        self._queue.clear()
        self._last = 0.0
        for frame in frames:
            self._last = max(self._last, self.link.arrival(frame.size))
            self._queue.append((self._last, frame))

    async def _carry(self) -> None:
        clock = self._fabric.clock
        while self._queue:
            due, frame = self._queue[0]
            if (wait := due - clock.monotonic()) > _INSTANT:
                await clock.sleep(wait)
            if self._fabric.held(self.link):
                await self._fabric.passable(self.link)
                self._send_again()
                continue
            self._queue.popleft()
            self._fabric.saw(self.link, frame)
            self._deliver(frame)
        self._stop = None
