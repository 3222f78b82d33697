"""How often others have their turn while something runs."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def turns(work: Coroutine[Any, Any, Any]) -> int:
    """Turns of another task until `work` is done."""
    task, count = asyncio.ensure_future(work), 0
    while not task.done():
        await asyncio.sleep(0)
        count += 1
    await task
    return count
