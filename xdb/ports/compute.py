"""Work that would hold up the event loop."""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

Buffer = bytes | bytearray | memoryview


class Compute(Protocol):
    """Runs pure functions elsewhere. Results come back in the order of completion."""

    async def in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """For calls that release the interpreter lock: hashing, AES, file access."""
        ...

    async def in_process(
        self,
        work: Callable[Concatenate[memoryview, P], T],
        source: Buffer,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """`work(memoryview of source, ...)` in a worker process, for calls that hold the lock.

        `work` is a function of a module, its other arguments and result are small and
        can be pickled. Raises UnavailableError when the worker died.
        """
        ...

    async def transform(
        self,
        work: Callable[Concatenate[memoryview, memoryview, P], T],
        source: Buffer,
        size: int,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> tuple[bytes, T]:
        """Like `in_process`, with a second memoryview of `size` bytes for `work` to fill.

        Returns the filled bytes and what `work` returned.
        """
        ...
