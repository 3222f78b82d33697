"""Keeps what shall run for ever running."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from xdb.errors import IntegrityError, XdbError
from xdb.ports.clock import Clock
from xdb.runtime.logging import Log

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0


@dataclass(frozen=True, slots=True)
class Supervised:
    """Runs `work` again whenever it ends, after longer and longer pauses.

    IntegrityError is the end: what contradicts itself must not be tried again. A bug raises
    an alarm in the log; the rest of the node goes on.
    """

    name: str
    work: Callable[[], Awaitable[None]]
    clock: Clock
    log: Log

    async def run(self) -> None:
        """Goes on until cancelled, or until the work must not go on."""
        pause = FIRST_PAUSE
        while True:
            try:
                await self.work()
            except IntegrityError as error:
                self.log.error("task.stopped", task=self.name, reason=str(error))  # noqa: TRY400
                return
            except XdbError as error:
                self.log.warning("task.failed", task=self.name, reason=str(error))
            except Exception:
                self.log.exception("task.broken", task=self.name)
            await self.clock.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
