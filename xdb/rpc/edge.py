"""What every call passes through on its way in and out.

To grpc, every method is one whose requests are a stream: for a single request grpc would
wait by itself, without end. So silence is noticed here, in every kind of call.

Who calls is known from the headers, before a message has come. A signed call that sends
nothing counts for its network address only; what it takes of a plane's budget it takes
when its first message is there and is what was signed.
"""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    ExitStack,
    aclosing,
    asynccontextmanager,
    nullcontext,
)
from dataclasses import dataclass
from typing import Any, Literal

import grpc
from google.protobuf.message import DecodeError

from xdb.core.authorization import Authorization, check_request
from xdb.core.manifest import LIMIT as LARGEST_MANIFEST
from xdb.core.slicing import LARGEST_SLICE
from xdb.errors import InvalidRequestError, XdbError
from xdb.model.units import Seconds
from xdb.rpc.authorization import Doorkeeper, set_caller
from xdb.rpc.limits import Gate, Limits, Plane, Planes, Subscriptions, within
from xdb.rpc.status import Failures

_MOST = {"bulk": LARGEST_SLICE, "control": LARGEST_MANIFEST, "open": 0}
"""Bytes that one call of a plane moves at most."""

Context = grpc.aio.ServicerContext[Any, Any]
Handler = Any  # grpc.RpcMethodHandler, whose types describe handlers that are not coroutines


@dataclass(frozen=True, slots=True)
class Method:
    """How one method is served."""

    plane: Literal["bulk", "control", "open"] = "control"  # open: unsigned
    endless: bool = False  # goes on while messages flow
    silence: Seconds | None = None  # other than the server's


class Edge(grpc.aio.ServerInterceptor):
    """Identifies callers, keeps limits, translates errors."""

    def __init__(
        self,
        methods: Mapping[str, Method],
        limits: Limits,
        planes: Planes,
        failures: Failures,
        doorkeeper: Doorkeeper | None = None,
    ) -> None:
        if doorkeeper is None and any(method.plane != "open" for method in methods.values()):
            raise ValueError("signed methods need somebody who knows the signers")
        self.limits = limits
        self.planes = planes
        self.failures = failures
        self.doorkeeper = doorkeeper
        self.sources = Gate("calls from your address", limits.calls, limits.calls_per_source)
        self.subscriptions = Subscriptions()
        self._methods = methods

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """The method's handler with everything round it."""
        name = handler_call_details.method
        handler = await continuation(handler_call_details)
        method = self._methods.get(name)
        if handler is None or method is None:
            return None
        served = _Served(self, name, method, handler)
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(
                served.stream, response_serializer=handler.response_serializer
            )
        return grpc.stream_unary_rpc_method_handler(
            served.unary, response_serializer=handler.response_serializer
        )


class _Messages:
    """The requests of one call, each awaited for a while, decoded."""

    def __init__(
        self, context: Context, decode: Callable[[bytes], Any] | None, silence: float
    ) -> None:
        self._context = context
        self._decode = decode
        self._silence = silence
        self._first: bytes | None = None

    async def begin(self, authorization: Authorization | None) -> None:
        """Waits for the first message and compares it with what was signed."""
        self._first = await self._receive()
        if self._first is None:
            raise InvalidRequestError("the call ended before its first message: send one")
        if authorization is not None:
            check_request(authorization, self._first)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:  # noqa: ANN401  # what the method takes
        data, self._first = self._first, None
        if data is None:
            data = await self._receive()
        if data is None:
            raise StopAsyncIteration
        try:
            return self._decode(data) if self._decode else data
        except DecodeError as error:
            raise InvalidRequestError(
                "a message does not follow the protocol: use matching versions on both sides"
            ) from error

    async def _receive(self) -> bytes | None:
        async with within(self._silence, "no message came"):
            data = await self._context.read()
        return None if data is grpc.aio.EOF else data


class _Served:
    """One method's handler, as grpc calls it."""

    def __init__(self, edge: Edge, name: str, method: Method, handler: Handler) -> None:
        self._edge = edge
        self._name = name
        self._method = method
        self._handler = handler
        limits = edge.limits
        self._silence = method.silence or limits.silence
        self._longest = None if method.endless else limits.for_bytes(_MOST[method.plane])

    async def unary(self, _: AsyncIterator[bytes], context: Context) -> Any:  # noqa: ANN401
        """Gives one response."""
        async with self._guarded(context), self._admitted(context) as messages:
            if self._handler.request_streaming:
                return await self._handler.stream_unary(messages, context)
            return await self._handler.unary_unary(await anext(messages), context)

    async def stream(self, _: AsyncIterator[bytes], context: Context) -> None:
        """Sends responses."""
        async with self._guarded(context), self._admitted(context) as messages:
            if self._handler.request_streaming:
                responses = self._handler.stream_stream(messages, context)
            else:
                responses = self._handler.unary_stream(await anext(messages), context)
            if inspect.isawaitable(responses):  # it writes by itself
                await responses
                return
            async with aclosing(responses):
                async for response in responses:
                    async with within(self._silence, "the caller did not take our message"):
                        await context.write(response)

    @asynccontextmanager
    async def _guarded(self, context: Context) -> AsyncIterator[None]:
        try:
            yield
        except grpc.aio.AbortError:
            raise
        except XdbError as error:
            await self._edge.failures.refuse(context, error)
        except Exception as error:  # noqa: BLE001  # a caller must not learn how this program fails
            await self._edge.failures.hide(context, self._name, error)

    @asynccontextmanager
    async def _admitted(self, context: Context) -> AsyncIterator[_Messages]:
        messages = _Messages(context, self._handler.request_deserializer, self._silence)
        who = source = context.peer().rpartition(":")[0].encode()
        with ExitStack() as counted:
            counted.enter_context(self._edge.sources.enter(source))
            authorization = None
            if self._edge.doorkeeper is not None and self._method.plane != "open":
                metadata = context.invocation_metadata() or ()
                who, authorization = self._edge.doorkeeper.admit(self._name, metadata)
                set_caller(who)
            async with self._until_stop(), within(self._longest, "the call was not done"):
                await messages.begin(authorization)
                counted.enter_context(self._plane.gate.enter(who))
                yield messages

    def _until_stop(self) -> AbstractAsyncContextManager[None]:
        if self._method.endless and self._method.plane == "open":
            return self._edge.subscriptions.hold()
        return nullcontext()

    @property
    def _plane(self) -> Plane:
        match self._method.plane:
            case "bulk":
                return self._edge.planes.bulk
            case "control":
                return self._edge.planes.control
            case "open":
                return self._edge.planes.open
