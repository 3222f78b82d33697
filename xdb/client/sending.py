"""Writing to a call that the other side may end at any moment.

When a message cannot be sent because the other side has answered already, `call.write`
sets an "internal error" of its own in the place of the answer, and what was refused and
why is lost. So messages after the first go one level below it, where a failed write is
just that, and the answer is there for whoever reads from the call.
"""

import asyncio
from typing import Any

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # has no types


async def send_first(call: Any, message: bytes) -> None:  # noqa: ANN401  # grpc types no calls
    """Begins a call. What ends it is told to whoever reads from it."""
    try:
        await call.write(message)
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        return


async def send(call: Any, message: bytes) -> bool:  # noqa: ANN401  # grpc types no calls
    """Whether another message went out; `send_first` has begun the call."""
    if call.done():
        return False
    try:
        await call._cython_call.send_serialized_message(message)  # noqa: SLF001  # see above
    except cygrpc.InternalError:
        return False
    return True


async def send_last(call: Any, message: bytes) -> None:  # noqa: ANN401  # grpc types no calls
    """Another message, and no more after it."""
    if await send(call, message):
        await call.done_writing()
