"""Publishing in batches: files that are ready together share one call."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from xdb.errors import RefusedCallError, XdbError
from xdb.model.calls import NewFile, Publish
from xdb.ports.blockchain import Inclusion, Registry
from xdb.ports.spawn import Spawn

Batch = list[tuple[NewFile, asyncio.Future[Inclusion]]]


@dataclass(slots=True)
class BatchPublisher:
    """While one call is under way, files wait for the next.

    A refused batch is published file by file, so that one bad file harms no other.
    """

    registry: Registry
    spawn: Spawn
    _waiting: deque[tuple[NewFile, asyncio.Future[Inclusion]]] = field(default_factory=deque)
    _running: asyncio.Task[None] | None = None

    async def publish(self, file: NewFile) -> Inclusion:
        """Returns when the file's record is included.

        Raises RefusedCallError, TimeoutExpiredError when the outcome is unknown,
        UnavailableError.
        """
        done: asyncio.Future[Inclusion] = asyncio.get_running_loop().create_future()
        self._waiting.append((file, done))
        if self._running is None or self._running.done():
            self._running = self.spawn.start(self._run(), name="publisher")
        return await done

    async def _run(self) -> None:
        most = self.registry.parameters.max_files_per_call
        try:
            while self._waiting:
                count = min(len(self._waiting), most)
                await self._submit([self._waiting.popleft() for _ in range(count)])
        finally:
            while self._waiting:  # cancelled, or a bug: nobody may wait for ever
                self._waiting.popleft()[1].cancel()

    async def _submit(self, batch: Batch) -> None:
        wanted = [(file, done) for file, done in batch if not done.done()]
        if not wanted:
            return
        try:
            inclusion = await self.registry.submit(Publish(tuple(file for file, _ in wanted)))
        except XdbError as error:
            if isinstance(error, RefusedCallError) and len(wanted) > 1:
                for one in wanted:
                    await self._submit([one])
            else:
                for _, done in wanted:
                    _settle(done, error)
        except BaseException:
            for _, done in wanted:
                done.cancel()
            raise
        else:
            for _, done in wanted:
                _settle(done, inclusion)


def _settle(done: asyncio.Future[Inclusion], outcome: Inclusion | XdbError) -> None:
    if done.done():
        return
    if isinstance(outcome, XdbError):
        done.set_exception(outcome)
    else:
        done.set_result(outcome)
