"""A node's clocks in virtual time."""

import asyncio

START = 1_800_000_000.0
LEAST = 1e-6
"""Seconds that every wait takes: less might not move a float, and a loop would stand still."""


class SimulatedClock:
    """`Clock` over the simulated loop, which this node's clocks run ahead of or behind.

    `offset` is how far the wall clock is wrong at the start of the run, `drift` how much
    faster the node's clocks are: 0.001 gains 3.6 s an hour.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, *, offset: float = 0.0, drift: float = 0.0
    ) -> None:
        self._loop = loop
        self._offset = offset
        self._rate = 1.0 + drift

    def wall(self) -> float:
        """See `Clock`."""
        return START + self._offset + self.monotonic()

    def monotonic(self) -> float:
        """See `Clock`."""
        return self._loop.time() * self._rate

    async def sleep(self, seconds: float) -> None:
        """See `Clock`."""
        await asyncio.sleep(max(seconds / self._rate, LEAST) if seconds > 0 else 0)

    def jump(self, seconds: float) -> None:
        """Sets the wall clock ahead or back, as an operator does; nobody wakes."""
        self._offset += seconds
