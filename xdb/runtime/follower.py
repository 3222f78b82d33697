"""Feeds the index, or whatever else wants it, with a chain's history, whatever happens to it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from xdb.errors import IntegrityError, UnavailableError
from xdb.ports.blockchain import BlockEvents, ChainEvents, Final, Head, Rollback
from xdb.ports.clock import Clock
from xdb.runtime.logging import Log

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 30.0

Item = BlockEvents | Rollback | Final


class Sink(Protocol):
    """What is fed. After a break the history goes on from its newest final block."""

    @property
    def head(self) -> Head:
        """The newest block it took, and the newest of them that is final."""
        ...

    async def apply(self, item: Item) -> None:
        """Takes the next item; IntegrityError when it does not follow."""
        ...


@dataclass(slots=True)
class FollowerReport:
    """How it goes: breaks of the connection so far, the last of them, and why it ended."""

    breaks: int = 0
    trouble: str = ""
    failed: str = ""


class Follower:
    """Pumps `source` into `sink`.

    A lost connection is taken up again, after longer and longer pauses while nothing comes;
    a history that contradicts itself is the end.
    """

    def __init__(self, name: str, source: ChainEvents, sink: Sink, clock: Clock, log: Log) -> None:
        self.name = name
        self.report = FollowerReport()
        self._source = source
        self._sink = sink
        self._clock = clock
        self._log = log.bind(follower=name)

    async def run(self) -> None:
        """Follows without end; IntegrityError when it must not go on."""
        pause = FIRST_PAUSE
        while True:
            before = self._sink.head.height
            try:
                await self._pump()
                trouble = "the source ended its history"
            except UnavailableError as error:
                trouble = str(error)
            except IntegrityError as error:
                self.report.failed = str(error)
                self._log.error("follower.stopped", height=before, reason=str(error))
                raise
            pause = FIRST_PAUSE if self._sink.head.height > before else pause
            self.report.breaks += 1
            self.report.trouble = trouble
            self._log.warning("follower.broken", reason=trouble, again_in=pause)
            await self._clock.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _pump(self) -> None:
        head = self._sink.head
        # What was not final may be other blocks by now: heights alone do not tell. It stays
        # for as long as nobody answers.
        is_certain = head.height == head.final
        async with aclosing(_items(self._source, head.final)) as items:
            async for item in items:
                if not is_certain:
                    await self._sink.apply(Rollback(head.final))
                    is_certain = True
                await self._sink.apply(item)
                self.report.trouble = ""


async def _items(source: ChainEvents, after: int) -> AsyncGenerator[Item, None]:
    async for item in source.follow(after):
        yield item
