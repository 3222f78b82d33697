"""The machine's clock."""

import asyncio
import time


class SystemClock:
    """`Clock` of the operating system and the running event loop."""

    def wall(self) -> float:
        """See `Clock`."""
        return time.time()

    def monotonic(self) -> float:
        """See `Clock`."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """See `Clock`."""
        await asyncio.sleep(seconds)
