"""Waiting with an end, and working side by side."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from xdb.errors import TimeoutExpiredError, XdbError
from xdb.ports.clock import Clock

T = TypeVar("T")


async def within(clock: Clock, seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns; after `seconds` it is cancelled, with TimeoutExpiredError."""
    task = asyncio.ensure_future(work)
    alarm = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait((task, alarm), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise TimeoutExpiredError(f"no answer within {seconds:g} s: try again")
    finally:
        await _end(task)
        await _end(alarm)


async def together(*works: Coroutine[Any, Any, None]) -> None:
    """Runs endless works side by side; the XdbError of one ends all, and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
    except* XdbError as failures:
        raise failures.exceptions[0] from None


async def _end(task: asyncio.Future[Any]) -> None:
    task.cancel()
    await asyncio.wait((task,))
    if not task.cancelled():
        task.exception()  # whoever waited has it, or wants it no more
