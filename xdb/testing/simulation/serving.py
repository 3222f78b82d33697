"""The server's side: real services and the real edge before them, without grpc's machinery."""

from collections import deque
from collections.abc import Sequence
from contextvars import Context, copy_context
from typing import Any, NoReturn

import grpc

from xdb.rpc.limits import Planes
from xdb.rpc.server import GRACE, ServerSettings, Service, edge_of
from xdb.testing.simulation.exchange import SERVER, Exchange, Watchdog
from xdb.testing.simulation.fabric import Bell, Fabric
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


class Details(grpc.HandlerCallDetails):
    """What the edge is told before it looks for a handler."""

    def __init__(self, method: str, metadata: Metadata) -> None:
        self.method = method
        self.invocation_metadata = metadata


class ServingCall:
    """A call being served; to handlers it is their ServicerContext."""

    def __init__(self, server: "SimulatedServer", exchange: Exchange, request: Request) -> None:
        self._server = server
        self._exchange = exchange
        self._request = request
        self._inbox: deque[bytes | None] = deque()  # None: no more come
        self._bell = Bell()
        self._serializer: Any = None
        self._ended = False
        exchange.server = self
        if request.message is not None:
            self._inbox.append(request.message)
        if request.whole:
            self._inbox.append(None)
        self._watchdog = Watchdog(exchange, SERVER, request.timeout, self.drop, self.drop)
        self.task = exchange.fabric.start(self._serve(), server.context.copy())

    @property
    def over(self) -> bool:
        """Whether it has been answered, or nobody waits for an answer."""
        return self._ended

    def take(self, frame: Frame) -> None:
        """The caller says something."""
        match frame:
            case Data(message) if len(message) > self._server.settings.limits.message:
                self.finish(Status(grpc.StatusCode.RESOURCE_EXHAUSTED, "message larger than max"))
                self.task.cancel()
            case Data(message):
                self._inbox.append(message)
            case End():
                self._inbox.append(None)
            case Gone():
                self.drop()
        self._bell.ring()

    def cut(self, why: str) -> None:
        """The connection is gone."""
        del why
        self.drop()

    def drop(self) -> None:
        """Nobody waits for an answer: the handler is cancelled."""
        if not self._ended:
            self._end()
            self.task.cancel()

    def finish(self, status: Status) -> None:
        """Answers the call."""
        if not self._ended:
            self._exchange.down.send(status)
            self._end()

    async def read(self) -> Any:  # noqa: ANN401  # bytes or the end
        """See grpc: the next message, or EOF."""
        await self._bell.until(lambda: bool(self._inbox))
        if self._inbox[0] is None:
            return grpc.aio.EOF
        if not self._request.whole:
            self._exchange.up.taken()
        return self._inbox.popleft()

    async def write(self, message: Any) -> None:  # noqa: ANN401  # what the serializer takes
        """See grpc: sends a message when the caller has taken enough of those before."""
        await self._exchange.down.room(lambda: self._ended)
        if not self._ended:
            self._exchange.down.send(Data(self._bytes(message)))

    async def send_initial_metadata(self, metadata: Metadata) -> None:
        """See grpc."""
        if not self._ended:
            self._exchange.down.send(Initial(tuple(metadata)))

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: Metadata = ()
    ) -> NoReturn:
        """See grpc."""
        self.finish(Status(code, details, tuple(trailing_metadata)))
        raise grpc.aio.AbortError("Locally aborted.")

    def peer(self) -> str:
        """See grpc."""
        return f"ipv4:{self._exchange.source}:{self._exchange.number}"

    def invocation_metadata(self) -> Metadata:
        """See grpc."""
        return self._request.metadata

    async def _serve(self) -> None:
        try:
            handler = await self._server.handler(self._request)
            if handler is None:
                self.finish(Status(grpc.StatusCode.UNIMPLEMENTED, "Method not found!"))
                return
            self._serializer = handler.response_serializer
            if handler.response_streaming:
                await handler.stream_stream(None, self)
                self.finish(Status(grpc.StatusCode.OK))
            else:
                reply = self._bytes(await handler.stream_unary(None, self))
                self.finish(Status(grpc.StatusCode.OK, message=reply))
        except grpc.aio.AbortError:
            return  # the answer is sent
        except Exception as error:  # noqa: BLE001  # as grpc does
            self.finish(Status(grpc.StatusCode.UNKNOWN, f"Unexpected {type(error)}: {error}"))
        finally:
            self.finish(Status(grpc.StatusCode.CANCELLED, "the server gave it up"))

    def _bytes(self, message: Any) -> bytes:  # noqa: ANN401
        return bytes(self._serializer(message) if self._serializer else message)

    def _end(self) -> None:
        self._ended = True
        self._watchdog.stop()
        self._server.ended(self._exchange)
        self._exchange.settle()


class SimulatedServer:
    """A process that serves at one address, until it stops or dies."""

    def __init__(
        self,
        fabric: Fabric,
        settings: ServerSettings,
        services: Sequence[Service],
        planes: Planes,
    ) -> None:
        self.settings = settings
        self.address = settings.listen
        self.context: Context = copy_context()  # in whose name handlers run
        self.taking = True
        self._fabric = fabric
        self._edge = edge_of(settings, services, planes)
        self._handlers: list[grpc.GenericRpcHandler] = []
        self._calls: dict[Exchange, ServingCall] = {}
        self._bell = Bell()
        for service in services:
            service.add(self)  # type: ignore[arg-type]  # only the method below is used of a server

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """See grpc."""
        self._handlers.extend(handlers)

    def begin(self, exchange: Exchange, request: Request) -> None:
        """A request is there."""
        limits = self.settings.limits
        if len(self._calls) >= limits.calls:
            code = grpc.StatusCode.RESOURCE_EXHAUSTED
            exchange.down.send(Status(code, "Concurrent RPC limit exceeded!"))
        elif len(request.message or b"") > limits.message:
            code = grpc.StatusCode.RESOURCE_EXHAUSTED
            exchange.down.send(Status(code, "Received message larger than max"))
        else:
            self._calls[exchange] = ServingCall(self, exchange, request)

    async def handler(self, request: Request) -> Any:  # noqa: ANN401  # as grpc types them
        """The method's handler behind the edge, or None."""
        details = Details(request.method, request.metadata)
        return await self._edge.intercept_service(self._find, details)

    def ended(self, exchange: Exchange) -> None:
        """A call is over."""
        self._calls.pop(exchange, None)
        self._bell.ring()

    async def stop(self) -> None:
        """Takes no more calls, lets those under way end, but not for long."""
        if not self.taking:
            return
        self.taking = False
        self._edge.subscriptions.end()
        grace = self._fabric.start(self._grace())
        await self._bell.until(lambda: not self._calls)
        grace.cancel()

    def kill(self) -> None:
        """Ends at once. Callers learn that their connections are reset."""
        self.taking = False
        for exchange, call in list(self._calls.items()):
            exchange.down.send(Gone())
            call.drop()

    async def _grace(self) -> None:
        await self._fabric.clock.sleep(GRACE)
        self.kill()

    async def _find(self, details: grpc.HandlerCallDetails) -> Any:  # noqa: ANN401
        for handlers in self._handlers:
            found = handlers.service(details)
            if found is not None:
                return found
        return None
