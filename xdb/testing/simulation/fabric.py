"""What lies between hosts: links, what holds their messages, and the tasks that carry them."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any

from xdb.ports.clock import Clock
from xdb.ports.entropy import Entropy
from xdb.testing.simulation.frames import Frame
from xdb.testing.simulation.links import PERFECT, Dice, Link, LinkConditions

Observer = Callable[[str, str, str, int], None]
"""Told of every frame that arrives: its kind, whence, whither, how large."""


def host_of(address: str) -> str:
    """The machine in host:port; a name without port is one."""
    host, separator, _ = address.rpartition(":")
    return host if separator else address


class Bell:
    """Wakes all who wait, each time it rings."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Wakes them."""
        self._event.set()
        self._event = asyncio.Event()

    async def until(self, reached: Callable[[], bool]) -> None:
        """Returns when `reached`, looking again at each ring."""
        while not reached():
            await self._event.wait()


@dataclass(eq=False, slots=True)
class Hold:
    """Messages between some hosts wait until `end`; none is lost by that."""

    covers: Callable[[str, str], bool]
    _fabric: "Fabric"

    def end(self) -> None:
        """Lets them go. May be called twice."""
        if self in self._fabric.holds:
            self._fabric.holds.remove(self)
            self._fabric.released.ring()

    def end_after(self, seconds: float) -> "Hold":
        """Ends by itself."""
        self._fabric.start(self._expire(seconds))
        return self

    async def _expire(self, seconds: float) -> None:
        await self._fabric.clock.sleep(seconds)
        self.end()


@dataclass(eq=False)
class Fabric:
    """Links between any two hosts, made when first used with the conditions given last."""

    clock: Clock
    entropy: Entropy
    conditions: LinkConditions = PERFECT
    observer: Observer | None = None
    faults: Counter[str] = field(default_factory=Counter)
    holds: list[Hold] = field(default_factory=list)
    released: Bell = field(default_factory=Bell)
    _links: dict[tuple[str, str], Link] = field(default_factory=dict)
    _tasks: dict[asyncio.Task[Any], None] = field(default_factory=dict)
    _context: Context = field(default_factory=copy_context)

    def link(self, source: str, target: str) -> Link:
        """One direction between two hosts."""
        found = self._links.get((source, target))
        if found is None:
            dice = Dice(self.entropy.stream(f"link {source} {target}"))
            found = Link(source, target, self.clock, dice, self.conditions)
            self._links[source, target] = found
        return found

    def links(self) -> Iterable[Link]:
        """Those used so far, in the order of their first use."""
        return self._links.values()

    def hold(self, covers: Callable[[str, str], bool]) -> Hold:
        """Holds messages from a source to a target that `covers` says it is about."""
        self.faults["held"] += 1
        made = Hold(covers, self)
        self.holds.append(made)
        return made

    def held(self, link: Link) -> bool:
        """Whether something holds the link's messages."""
        return any(hold.covers(link.source, link.target) for hold in self.holds)

    async def passable(self, link: Link) -> None:
        """Returns when nothing holds the link's messages."""
        await self.released.until(lambda: not self.held(link))

    def saw(self, link: Link, frame: Frame) -> None:
        """A frame arrives."""
        if self.observer is not None:
            self.observer(type(frame).__name__, link.source, link.target, frame.size)

    def start(
        self, work: Coroutine[Any, Any, None], context: Context | None = None
    ) -> asyncio.Task[None]:
        """Runs `work` beside everything else, by default in nobody's name."""
        task = asyncio.create_task(work, context=context or self._context.copy())
        self._tasks[task] = None
        task.add_done_callback(self._ended)
        return task

    async def close(self) -> None:
        """Ends all that is under way."""
        while self._tasks:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            for task in tasks:
                await asyncio.wait([task])

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            asyncio.get_running_loop().call_exception_handler(
                {"message": "the simulated network failed", "exception": error, "task": task}
            )
