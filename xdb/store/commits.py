"""Group commit: writes that wait together reach the disk together.

One thread takes everything that has been queued, applies it in order as one batch,
syncs once if anybody asked for it, and wakes them all. A burst of small writes then
costs one sync instead of one each.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from xdb.errors import StorageFullError, UnavailableError

Batch = Mapping[bytes, bytes | None]
_MOST = 512


@dataclass(frozen=True, slots=True)
class _Waiting:
    batch: Batch
    sync: bool
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[None]


class CommitQueue:
    """Feeds `apply(batch, sync)` from one thread, in the order of the calls.

    A batch that fails fails everybody in it. StorageFullError means that nothing of it was
    taken: once there is room, things go on. After any other failure nothing more is taken,
    since nobody knows what is on disk.
    """

    def __init__(self, name: str, apply: Callable[[Batch, bool], None]) -> None:
        self._apply = apply
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._failure: BaseException | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def write(self, batch: Batch, *, sync: bool) -> None:
        """Returns when the batch is applied, and synced if asked for."""
        if self._closed:
            raise UnavailableError("the store is closed")
        if self._failure is not None:
            raise self._refusal()
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        # a copy: the caller may go on to use its own
        self._queue.put(_Waiting(dict(batch), sync, loop, done))
        # the write goes on when its caller is cancelled: its order is fixed already
        await asyncio.shield(done)

    def close(self) -> None:
        """Finishes what is queued, and ends the thread."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            self._thread.join()

    def _refusal(self) -> UnavailableError:
        error = UnavailableError(
            f"the store failed before ({self._failure}) and takes nothing more: restart the node"
        )
        error.__cause__ = self._failure
        return error

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            group, ended = self._gather(first)
            _wake(group, self._commit(group))
            if ended:
                return

    def _gather(self, first: _Waiting) -> tuple[list[_Waiting], bool]:
        group = [first]
        while len(group) < _MOST:
            try:
                more = self._queue.get_nowait()
            except queue.Empty:
                break
            if more is None:
                return group, True
            group.append(more)
        return group, False

    def _commit(self, group: Sequence[_Waiting]) -> BaseException | None:
        if self._failure is not None:
            return self._refusal()
        merged: dict[bytes, bytes | None] = {}
        for waiting in group:
            merged.update(waiting.batch)
        try:
            self._apply(merged, any(waiting.sync for waiting in group))
        except StorageFullError as error:
            return error
        except Exception as error:  # noqa: BLE001  # handed to everybody who waits
            self._failure = error
            return error
        return None


def _wake(group: Sequence[_Waiting], failure: BaseException | None) -> None:
    def wake(woken: Sequence[_Waiting]) -> None:
        for waiting in woken:
            if waiting.done.cancelled():
                continue
            if failure is None:
                waiting.done.set_result(None)
            else:
                waiting.done.set_exception(failure)
                waiting.done.exception()  # whoever was cancelled meanwhile does not ask

    loops = dict.fromkeys(waiting.loop for waiting in group)
    for loop in loops:
        try:
            loop.call_soon_threadsafe(wake, [each for each in group if each.loop is loop])
        except RuntimeError:  # it is closed: nobody waits any more
            continue
