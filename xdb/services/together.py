"""Several things at once, all or none."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from xdb.errors import XdbError

T = TypeVar("T")


@asynccontextmanager
async def crew() -> AsyncIterator[asyncio.TaskGroup]:
    """A group of tasks; the first failure ends the others, and is raised itself."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as errors:
        raise _first(errors) from None


async def together(*works: Coroutine[Any, Any, T]) -> list[T]:
    """The results, in order; the first failure ends the others, and is raised itself."""
    async with crew() as group:
        tasks = [group.create_task(work) for work in works]
    return [task.result() for task in tasks]


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    found = [
        _first(error) if isinstance(error, BaseExceptionGroup) else error
        for error in errors.exceptions
    ]
    mistakes = [error for error in found if not isinstance(error, XdbError)]
    return (mistakes or found)[0]
