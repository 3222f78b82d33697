"""Periodic tasks: one cycle again and again, whatever a cycle meets."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from xdb.errors import XdbError
from xdb.model.tasks import TaskStatus
from xdb.ports.clock import Clock
from xdb.ports.entropy import Entropy
from xdb.runtime.logging import Log
from xdb.runtime.reports import report_text

R = TypeVar("R")

JITTER = 0.1
"""Part of the pace by which a cycle may start earlier or later."""
FIRST_PAUSE = 5.0
LONGEST_PAUSE = 600.0
"""Seconds before a task that ran into a bug is started again, doubled each time."""


@dataclass(slots=True)
class Status:
    """How a task is doing. Times are Unix seconds, 0 for never."""

    name: str
    every: float
    runs: int = 0
    failures: int = 0  # in a row
    last_run: float = 0.0
    next_run: float = 0.0
    last_report: str = ""
    last_error: str = ""
    degraded: bool = False  # the last cycle ended in a bug

    def shown(self) -> TaskStatus:
        """As others are told."""
        return TaskStatus(
            name=self.name,
            every=max(1, round(self.every)),
            runs=self.runs,
            failures=self.failures,
            last_run=int(self.last_run),
            next_run=int(self.next_run),
            last_report=self.last_report,
            last_error=self.last_error,
            degraded=self.degraded,
        )


@dataclass(slots=True)
class Periodic(Generic[R]):
    """Runs `run_once` about every `every` seconds, the first time after a random part of that.

    The pace is fixed: a slow cycle shortens the wait behind it, and cycles that were
    missed are not made up for. An XdbError ends a cycle and is logged. Anything else is a
    bug: it raises an alarm, marks the task degraded, and the task goes on after a pause.
    """

    name: str
    run_once: Callable[[], Awaitable[R]]
    every: float
    clock: Clock
    entropy: Entropy
    log: Log
    at_once: bool = False  # the first cycle without waiting
    status: Status = field(init=False)

    def __post_init__(self) -> None:
        """Starts with an empty status."""
        self.status = Status(self.name, self.every)

    async def run(self) -> None:
        """Goes on until cancelled."""
        pause = FIRST_PAUSE
        due = self.clock.monotonic() + (0.0 if self.at_once else self._fraction() * self.every)
        await self._wait_until(due)
        while True:
            if await self.cycle():
                pause = FIRST_PAUSE
                due = max(due + self.every, self.clock.monotonic())
                await self._wait_until(due + (2 * self._fraction() - 1) * JITTER * self.every)
            else:
                due = self.clock.monotonic() + pause
                pause = min(2 * pause, LONGEST_PAUSE)
                await self._wait_until(due)

    async def cycle(self) -> bool:
        """One cycle; False when it ended in a bug."""
        status = self.status
        status.runs += 1
        status.last_run = self.clock.wall()
        try:
            report = await self.run_once()
        except XdbError as error:
            status.failures += 1
            status.last_error = str(error)
            status.degraded = False
            self.log.warning("task.failed", task=self.name, reason=str(error))
        except Exception as error:
            status.failures += 1
            # Others read the status, and nobody knows what a bug's message quotes.
            status.last_error = f"{type(error).__name__}, a bug: the log of this node says more"
            status.degraded = True
            self.log.exception("task.broken", task=self.name)
            return False
        else:
            status.failures = 0
            status.last_error = ""
            status.last_report = report_text(report)
            status.degraded = False
            self.log.debug("task.done", task=self.name, report=status.last_report)
        return True

    async def _wait_until(self, due: float) -> None:
        seconds = max(0.0, due - self.clock.monotonic())
        self.status.next_run = self.clock.wall() + seconds
        await self.clock.sleep(seconds)

    def _fraction(self) -> float:
        return int.from_bytes(self.entropy.draw(4), "big") / 2**32


def shown(tasks: tuple[Periodic[Any], ...]) -> tuple[TaskStatus, ...]:
    """How all of them are doing, as others are told."""
    return tuple(task.status.shown() for task in tasks)
