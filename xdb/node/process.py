"""One node in one process: ready line, signals, deadline for stopping."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

STOPPED_LATE = 75
_LAST_RESORT = 2.0


class Running(Protocol):
    """A node that serves."""

    @property
    def description(self) -> str:
        """What others need in order to reach it."""
        ...

    async def ended(self) -> None:
        """Raises when the node cannot go on; never returns otherwise."""
        ...


async def run(
    node: AbstractAsyncContextManager[Running], *, stop_within: float, ready: Callable[[str], None]
) -> None:
    """Runs `node` until SIGTERM or SIGINT, then stops it within `stop_within` seconds.

    `ready` is called once, when the node serves. A second signal, or a stop that takes
    too long, ends the process at once.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if stopping.is_set():
            os._exit(STOPPED_LATE)
        stopping.set()
        watchdog = threading.Timer(stop_within + _LAST_RESORT, os._exit, [STOPPED_LATE])
        watchdog.daemon = True
        watchdog.start()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(_serve(node, ready))
            waiting = group.create_task(stopping.wait())
            await asyncio.wait((serving, waiting), return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            serving.cancel()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def _serve(node: AbstractAsyncContextManager[Running], ready: Callable[[str], None]) -> None:
    async with node as running:
        ready(running.description)
        await running.ended()


def say_ready(descriptor: int | None) -> Callable[[str], None]:
    """Says it on standard output, and to `descriptor` for whoever waits there."""

    def say(description: str) -> None:
        line = f"ready {description}"
        print(line, flush=True)  # noqa: T201  # the program's one line of output
        if descriptor is not None:
            os.write(descriptor, f"{line}\n".encode())
            os.close(descriptor)

    return say


async def for_ever() -> None:
    """Waits until it is cancelled."""
    await asyncio.Event().wait()
