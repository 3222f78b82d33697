"""An event loop for programs without one."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from threading import Thread, current_thread
from typing import Any, TypeVar

T = TypeVar("T")


class Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._loop = self._runner.get_loop()
        self._thread = Thread(target=self._loop.run_forever, name="xdb-client", daemon=True)
        self._closing: set[asyncio.Task[None]] = set()
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`, which is cancelled when the waiting is interrupted."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def iterate(self, items: AsyncIterator[T]) -> Iterator[T]:
        """The items, one by one."""
        end = object()
        try:
            while (item := self.run(_next(items, end))) is not end:
                yield item  # type: ignore[misc]  # the end is no item
        finally:
            self._finish(items)

    def _finish(self, items: AsyncIterator[Any]) -> None:
        """Closes the items.

        The garbage collector may find a list that was dropped half read while it runs in the
        loop's own thread: nobody may wait for the loop there.
        """
        if current_thread() is self._thread:
            self._closing.add(closing := self._loop.create_task(_close(items)))
            closing.add_done_callback(self._closing.discard)
        elif self._loop.is_running():
            self.run(_close(items))

    def close(self) -> None:
        """Ends what still runs, and the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._runner.close()


async def _next(items: AsyncIterator[T], end: object) -> T | object:
    return await anext(items, end)


async def _close(items: AsyncIterator[Any]) -> None:
    close = getattr(items, "aclose", None)
    if close is not None:
        await close()
