"""Work done on the spot."""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from xdb.ports.compute import Buffer

P = ParamSpec("P")
T = TypeVar("T")


class InlineCompute:
    """`Compute` in the caller: deterministic, no threads, no processes."""

    async def in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See `Compute`."""
        return work(*args, **kwargs)

    async def in_process(
        self,
        work: Callable[Concatenate[memoryview, P], T],
        source: Buffer,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """See `Compute`."""
        return work(memoryview(source), *args, **kwargs)

    async def transform(
        self,
        work: Callable[Concatenate[memoryview, memoryview, P], T],
        source: Buffer,
        size: int,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> tuple[bytes, T]:
        """See `Compute`."""
        target = bytearray(size)
        result = work(memoryview(source), memoryview(target), *args, **kwargs)
        return bytes(target), result
