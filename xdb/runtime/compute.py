"""Threads for what releases the interpreter lock, worker processes for what holds it."""

import asyncio
import mmap
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

from xdb.errors import UnavailableError
from xdb.ports.compute import Buffer
from xdb.runtime import exchange

P = ParamSpec("P")
T = TypeVar("T")

_PAGE = 1 << 20


class LocalCompute:
    """`Compute` on this machine. Worker processes start when the first work comes.

    Arguments: number of worker processes, and of threads.
    """

    def __init__(self, workers: int = 1, threads: int = 8) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="compute")
        self._exchanges = ThreadPoolExecutor(workers, thread_name_prefix="worker")
        self._workers = [_Worker() for _ in range(workers)]
        self._idle = list(self._workers)
        self._free = asyncio.Semaphore(workers)
        self._closed = False

    async def in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See `Compute`."""
        self._check_open()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(work, *args, **kwargs))

    async def in_process(
        self,
        work: Callable[Concatenate[memoryview, P], T],
        source: Buffer,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """See `Compute`."""
        _, result = await self._exchange(partial(_Call, work, source, None, args, kwargs))
        return result  # type: ignore[no-any-return]  # what `work` returns

    async def transform(
        self,
        work: Callable[Concatenate[memoryview, memoryview, P], T],
        source: Buffer,
        size: int,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> tuple[bytes, T]:
        """See `Compute`."""
        return await self._exchange(partial(_Call, work, source, size, args, kwargs))

    def close(self) -> None:
        """Ends workers and threads; work under way is finished first."""
        self._closed = True
        self._exchanges.shutdown()
        self._threads.shutdown()
        for each in self._workers:
            each.close()

    def _check_open(self) -> None:
        if self._closed:
            raise UnavailableError("this process is about to end: try again later")

    async def _exchange(self, call: Callable[[], "_Call"]) -> tuple[bytes, Any]:
        loop = asyncio.get_running_loop()
        async with self._free:
            self._check_open()
            chosen = self._idle.pop()
            running = loop.run_in_executor(self._exchanges, chosen.run, call())
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                await asyncio.wait([running])  # the worker is busy until then
                raise
            finally:
                self._idle.append(chosen)


class _Call:
    """One piece of work."""

    def __init__(  # all there is to a call
        self,
        work: Callable[..., Any],
        source: Buffer,
        target: int | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        self.source = memoryview(source)
        self.target = target
        self._rest = (work, args, kwargs)

    @property
    def size(self) -> int:
        """Shared bytes it needs."""
        return self.source.nbytes + (self.target or 0)

    def request(self, size: int) -> exchange.Request:
        """The call as the worker is told of it."""
        work, args, kwargs = self._rest
        return exchange.Request(work, size, self.source.nbytes, self.target, args, kwargs)


class _Worker:
    """One worker process and the memory shared with it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._shared = -1
        self._memory: mmap.mmap | None = None

    def run(self, call: _Call) -> tuple[bytes, Any]:
        """Copies in, has it done, copies out. Runs in a thread of its own."""
        try:
            answer = self._ask(call)
        except (OSError, EOFError) as error:
            self.close()
            raise UnavailableError(f"a worker process died ({error}): try again") from error
        if answer.error is not None:
            raise answer.error
        if call.target is None or self._memory is None:
            return b"", answer.result
        start = call.source.nbytes
        return self._memory[start : start + call.target], answer.result

    def _ask(self, call: _Call) -> exchange.Answer:
        process = self._process or self._start()
        memory = self._reserve(call.size)
        memory[: call.source.nbytes] = call.source
        if process.stdin is None or process.stdout is None:
            raise EOFError("no pipes")
        exchange.send(process.stdin, call.request(len(memory)))  # type: ignore[arg-type]  # a BinaryIO
        answer: exchange.Answer | None = exchange.receive(process.stdout)  # type: ignore[arg-type]
        if answer is None:
            raise EOFError(f"exit status {process.wait()}")
        return answer

    def _start(self) -> subprocess.Popen[bytes]:
        self._shared = os.memfd_create("xdb-worker")
        self._process = subprocess.Popen(  # noqa: S603  # this very interpreter
            [sys.executable, "-P", "-m", "xdb.runtime.worker", str(self._shared)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[self._shared],
            # it finds the same modules as this process, wherever it was started
            env=os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
        )
        return self._process

    def _reserve(self, size: int) -> mmap.mmap:
        if self._memory is None or len(self._memory) < size:
            if self._memory is not None:
                self._memory.close()
            whole = -(-size // _PAGE) * _PAGE or _PAGE
            os.ftruncate(self._shared, whole)
            self._memory = mmap.mmap(self._shared, whole)
        return self._memory

    def close(self) -> None:
        """Ends the process and lets go of the memory."""
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process.wait()
            self._process = None
        if self._memory is not None:
            self._memory.close()
            self._memory = None
        if self._shared >= 0:
            os.close(self._shared)
            self._shared = -1
