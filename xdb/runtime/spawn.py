"""Tasks of one node incarnation."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Self, TypeVar

T = TypeVar("T")


class TaskSpawn:
    """`Spawn` that ends everything it started when its context is left.

    Unlike a TaskGroup it leaves a failure to whoever awaits the task: one upload that
    fails must not end the node.
    """

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[Any], None] = {}  # in the order of their start

    def start(self, work: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """See `Spawn`."""
        task = asyncio.create_task(work, name=name)
        self._tasks[task] = None
        task.add_done_callback(self._let_go)
        return task

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Cancels what still runs, and waits for it."""
        while self._tasks:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            # when all had ended, gather may return before their callbacks ran
            for task in tasks:
                self._let_go(task)

    def _let_go(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)
