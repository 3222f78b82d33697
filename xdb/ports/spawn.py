"""Concurrent work of one node incarnation."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Spawn(Protocol):
    """Starts tasks that end with their owner."""

    def start(self, work: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """Runs `work` concurrently; it is cancelled when the owner stops.

        An exception stays in the task for whoever awaits it.
        """
        ...
