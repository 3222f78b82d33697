"""What one node sees of a simulated chain: the chain as it was, a little or a long while ago."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass

from xdb.errors import UnavailableError
from xdb.model.ids import Digest
from xdb.ports.blockchain import BlockEvents, Final, Rollback
from xdb.ports.clock import Clock
from xdb.ports.entropy import Entropy
from xdb.testing.simulation.chains.blocks import Block, Ending, History, Item
from xdb.testing.simulation.chains.notes import Notes
from xdb.testing.simulation.draws import below, fraction

MOST_OFTEN = 1024
_LOOK = 60.0


@dataclass(frozen=True, slots=True)
class Sight:
    """How far behind views are, in seconds, and what of 1024 blocks they stop or fail at."""

    lag: float = 4.0
    stalls: int = 4
    cuts: int = 4
    trouble: float = 600.0  # the longest


class View:
    """The way of one node to the chain, through all its lives.

    It shows the chain as it was some time ago, never going back: what has happened since is
    taken up in order, when it is due. `run` does so without being asked.
    """

    def __init__(
        self, history: History, clock: Clock, draw: Entropy, sight: Sight, notes: Notes
    ) -> None:
        self.blocks: list[Block] = []
        self.final = 0
        self.endings = dict[Digest, Ending]()
        self._history = history
        self._clock = clock
        self._draw = draw
        self._sight = sight
        self._notes = notes
        self._due: deque[float] = deque()  # of everything in the log that was not taken up yet
        self._place = 0  # in the log
        self._still_until = self._gone_until = 0.0
        self._moved = asyncio.Event()
        self._news = asyncio.Event()
        for _ in history.log:
            self._due.append(clock.monotonic())
        self.take()
        history.watchers.append(self._noticed)

    @property
    def height(self) -> int:
        """The newest block seen."""
        return len(self.blocks)

    @property
    def time(self) -> int:
        """Its time."""
        return self.blocks[-1].events.time if self.blocks else 0

    def check(self) -> None:
        """UnavailableError while nobody answers."""
        if self._clock.monotonic() < self._gone_until:
            raise UnavailableError("the chain's server does not answer: it will be asked again")

    def take(self) -> None:
        """Takes up what is due."""
        now, place = self._clock.monotonic(), self._place
        while self._due and max(self._due[0], self._held) <= now:
            self._due.popleft()
            self._show(self._history.log[self._place])
            self._place += 1
        if self._place > place:
            self._wake()

    async def moved(self) -> None:
        """Returns when something was taken up, or when the view begins to fail."""
        await self._moved.wait()

    async def run(self, tend: Callable[[], float | None]) -> None:
        """Takes up whatever comes, without end; calls `tend` each time.

        `tend` says after how many seconds it wants to be called whatever comes, if at all.
        """
        while True:
            self.take()
            pause = tend()
            if self._due:
                due = max(self._due[0], self._held) - self._clock.monotonic()
                await self._clock.sleep(min(due, pause or _LOOK, _LOOK))  # it may be healed
            else:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), pause)

    async def follow(self, after: int) -> AsyncIterator[BlockEvents | Rollback | Final]:
        """See `ChainEvents`. Waits while the view is not as far as its reader was."""
        self.check()
        self.take()
        while self.height < after:
            await self.moved()
            self.check()
        place, blocks, final = self._place, self.blocks[after:], self.final
        for block in blocks:
            yield block.events
        yield Final(final)
        while True:
            self.check()
            if place < self._place:
                item = self._history.log[place]
                place += 1
                yield item.events if isinstance(item, Block) else item
            else:
                await self.moved()

    # ------------------------------------------------------------ faults

    def stall(self, seconds: float) -> None:
        """Shows nothing new for a while."""
        self._notes.reached("a node's view stood still")
        self._still_until = max(self._still_until, self._clock.monotonic() + seconds)

    def cut(self, seconds: float) -> None:
        """Does not answer for a while; who listens hears of it at once."""
        self._notes.reached("a node's view failed")
        self._gone_until = max(self._gone_until, self._clock.monotonic() + seconds)
        self._wake()

    def heal(self) -> None:
        """Is as it should be, and has no more troubles."""
        self._still_until = self._gone_until = 0.0
        self._sight = Sight(self._sight.lag, 0, 0)

    # ------------------------------------------------------------ inside

    @property
    def _held(self) -> float:
        return max(self._still_until, self._gone_until)

    def _noticed(self) -> None:
        now = self._clock.monotonic()
        least = self._due[-1] if self._due else now
        if isinstance(self._history.log[-1], Block):
            self._have_trouble()
            least = max(least, now + fraction(self._draw) ** 3 * self._sight.lag)
        self._due.append(least)
        self._news.set()
        self._news = asyncio.Event()

    def _have_trouble(self) -> None:
        dice, sight = below(self._draw, MOST_OFTEN), self._sight
        if dice >= MOST_OFTEN - sight.stalls:
            self.stall(fraction(self._draw) * sight.trouble)
        elif dice >= MOST_OFTEN - sight.stalls - sight.cuts:
            self.cut(fraction(self._draw) * sight.trouble)

    def _show(self, item: Item) -> None:
        match item:
            case Block():
                self.blocks.append(item)
                self.endings.update(item.endings)
            case Rollback():
                while self.height > item.height:
                    for transaction in self.blocks.pop().endings:
                        self.endings.pop(transaction, None)
            case Final():
                self.final = item.height

    def _wake(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()
