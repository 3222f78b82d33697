"""Trying again when that may help."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from xdb.errors import StorageFullError, UnavailableError, XdbError
from xdb.ports.clock import Clock

T = TypeVar("T")

ATTEMPTS = 5
UNDER_WAY = 8
"""Attempts of something that has achieved something: half a minute, time for a restart."""
FIRST_PAUSE = 0.25
"""Seconds before the second attempt, doubled each time."""


class Retry:
    """Attempts of one thing; `went_on` starts the count anew, with more patience."""

    def __init__(self, clock: Clock, attempts: int = ATTEMPTS) -> None:
        self._clock = clock
        self._attempts = attempts
        self._failed = 0

    def went_on(self) -> None:
        """Something was achieved."""
        self._failed = 0
        self._attempts = UNDER_WAY

    async def after(self, error: XdbError, tell: Callable[[XdbError], None] | None = None) -> None:
        """Tells of and waits for the next attempt, or raises `error` when none would help."""
        self._failed += 1
        helps = isinstance(error, UnavailableError) and not isinstance(error, StorageFullError)
        if not helps or self._failed >= self._attempts:
            raise error
        if tell is not None:
            tell(error)
        await self._clock.sleep(FIRST_PAUSE * 2 ** (self._failed - 1))


async def again(clock: Clock, call: Callable[[], Awaitable[T]], attempts: int = 3) -> T:
    """The result of a call that changes nothing, tried a few times."""
    retry = Retry(clock, attempts)
    while True:
        try:
            return await call()
        except UnavailableError as error:
            await retry.after(error)
