"""The caller's side of one call, as grpc.aio has it."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Generator
from typing import Any

import grpc

from xdb.peer.pinning import MESSAGE
from xdb.testing.simulation.exchange import CALLER, Exchange, Watchdog
from xdb.testing.simulation.fabric import Bell
from xdb.testing.simulation.frames import (
    Data,
    End,
    Frame,
    Gone,
    Initial,
    Metadata,
    Request,
    Status,
)

_LOST = grpc.StatusCode.UNAVAILABLE


class SimulatedCall:
    """A call under way. Whoever awaits it gets the only reply, whoever iterates all of them."""

    def __init__(self, exchange: Exchange, timeout: float | None) -> None:
        self._exchange = exchange
        self._initial: Metadata | None = None
        self._inbox: deque[bytes] = deque()
        self._status: Status | None = None
        self._cancelled = False
        self._half_closed = False
        self._bell = Bell()
        exchange.client = self
        self._watchdog = Watchdog(exchange, CALLER, timeout, self._late, self._dead)

    @property
    def over(self) -> bool:
        """Whether its end is known."""
        return self._status is not None

    def begin(self, request: Request) -> None:
        """Sends the request."""
        self._half_closed = request.whole
        self._exchange.up.send(request)

    def take(self, frame: Frame) -> None:
        """The server says something."""
        if self.over:
            return
        match frame:
            case Initial(metadata):
                self._initial = metadata
            case Data(message) if len(message) > MESSAGE:
                code = grpc.StatusCode.RESOURCE_EXHAUSTED
                self._give_up(Status(code, "a message larger than max"))
            case Data(message):
                self._inbox.append(message)
            case Status():
                if frame.message is not None:
                    self._inbox.append(frame.message)
                self._finish(frame)
            case Gone():
                self._finish(Status(_LOST, "connection reset by peer"))
        self._bell.ring()

    def cut(self, why: str) -> None:
        """The connection is gone."""
        if not self.over:
            self._inbox.clear()
            self._finish(Status(_LOST, why))

    def cancel(self) -> bool:
        """Gives it up; the server learns of it."""
        if self.over:
            return False
        self._cancelled = True
        self._give_up(Status(grpc.StatusCode.CANCELLED, "Locally cancelled by application!"))
        return True

    async def write(self, message: bytes) -> None:
        """Sends one more message when the server has taken enough of those before."""
        await self._own(self._exchange.up.room(lambda: self.over))
        self._check_open()
        self._exchange.up.send(Data(bytes(message)))

    async def done_writing(self) -> None:
        """No more messages come."""
        if not (self.over or self._half_closed):
            self._half_closed = True
            self._exchange.up.send(End())

    async def initial_metadata(self) -> grpc.aio.Metadata:
        """What the server sent before its first message."""
        await self._bell.until(lambda: self._initial is not None or self.over)
        return grpc.aio.Metadata(*(self._initial or ()))

    async def read(self) -> Any:  # noqa: ANN401  # bytes or the end
        """The next message, or EOF."""
        await self._own(self._bell.until(lambda: bool(self._inbox) or self.over))
        if self._inbox:
            self._exchange.down.taken()
            return self._inbox.popleft()
        self._raise_failure()
        return grpc.aio.EOF

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (message := await self.read()) is not grpc.aio.EOF:
            yield message

    def __await__(self) -> Generator[Any, None, bytes]:
        return self._reply().__await__()

    async def _reply(self) -> bytes:
        await self._own(self._bell.until(lambda: self.over))
        self._raise_failure()
        return self._inbox.popleft()

    async def _own(self, waiting: Any) -> None:  # noqa: ANN401  # a coroutine
        # As in grpc: a caller who is cancelled while it waits has given up its call.
        try:
            await waiting
        except asyncio.CancelledError:
            self.cancel()
            raise

    def _check_open(self) -> None:
        if self.over or self._half_closed:
            raise asyncio.InvalidStateError("the call takes no more messages")

    def _raise_failure(self) -> None:
        status = self._status
        if status is None or status.code is grpc.StatusCode.OK:
            return
        if self._cancelled:
            raise asyncio.CancelledError
        raise grpc.aio.AioRpcError(
            status.code,
            grpc.aio.Metadata(*(self._initial or ())),
            grpc.aio.Metadata(*status.metadata),
            status.details,
        )

    def _late(self) -> None:
        self._give_up(Status(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded"))

    def _dead(self) -> None:
        self._exchange.fabric.faults["unanswered"] += 1
        self._give_up(Status(_LOST, "the connection's pings are not answered"))

    def _give_up(self, status: Status) -> None:
        self._inbox.clear()
        self._exchange.up.send(Gone())
        if not self.over:
            self._finish(status)

    def _finish(self, status: Status) -> None:
        self._status = status
        self._watchdog.stop()
        self._bell.ring()
        self._exchange.settle()
