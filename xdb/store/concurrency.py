"""Work that must not be left half done, and work side by side."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

from xdb.errors import XdbError

T = TypeVar("T")


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Awaits `work`; a cancellation of the caller takes effect when it has ended."""
    task = asyncio.ensure_future(work)
    cancellation = None
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError as error:
            cancellation = error
    if cancellation is not None:
        if not task.cancelled():
            task.exception()  # nobody is there any more to be told
        raise cancellation
    return task.result()


async def for_each(
    items: Iterable[T], work: Callable[[T], Awaitable[object]], *, side_by_side: int
) -> None:
    """Does `work` for every item, for several at a time; the first XdbError ends all."""
    rest = iter(items)

    async def some() -> None:
        for item in rest:
            await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(side_by_side):
                group.create_task(some())
    except* XdbError as failures:
        raise failures.exceptions[0] from None
