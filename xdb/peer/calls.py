"""Calls to one other party: signed, with a deadline, its failures translated."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from xdb.errors import IntegrityError
from xdb.model.ids import Address
from xdb.model.registry import Endpoint
from xdb.peer.connections import Connections
from xdb.peer.failures import restore
from xdb.peer.requests import RequestMetadata, RequestSigner
from xdb.peer.transport import Channel

M = TypeVar("M", bound=Message)

READY = "xdb-ready"
"""Key of the initial metadata with which a server asks for what follows a first message."""


@dataclass(frozen=True, slots=True)
class Party:
    """Whom we talk to, in messages `whom`. Without signer and audience, requests go unsigned.

    `terse` is for the one party whose words need no name before them.
    """

    whom: str
    endpoint: Endpoint
    connections: Connections
    audience: Address | None = None
    signer: RequestSigner | None = None
    terse: bool = False

    def sign(self, method: str, request: bytes) -> RequestMetadata:
        """The metadata beside `request`."""
        if self.signer is None or self.audience is None:
            return ()
        return self.signer.metadata(method, self.audience, request)

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[Channel]:
        """A channel for one call, whose failures come out as XdbError."""
        try:
            async with self.connections.use(self.whom, self.endpoint) as channel:
                yield channel
        except grpc.aio.AioRpcError as error:
            raise restore(error, self.whom, terse=self.terse) from error

    async def ask(self, method: str, request: Message, reply: type[M], within: float) -> M:
        """One message for one message."""
        data = request.SerializeToString()
        async with self.channel() as channel:
            call: Any = channel.unary_unary(method)
            answer = await call(data, timeout=within, metadata=self.sign(method, data))
        return read(self.whom, answer, reply)

    async def send(
        self, method: str, first: Message, rest: Iterable[bytes], reply: type[M], within: float
    ) -> M:
        """A message, then serialised ones when the other side wants them, for one message."""
        data = first.SerializeToString()
        async with self.channel() as channel:
            call: Any = channel.stream_unary(method)
            sending = call(timeout=within, metadata=self.sign(method, data))
            await _write(sending, data, rest)
            answer = await sending
        return read(self.whom, answer, reply)

    async def receive(
        self, method: str, request: Message, within: float | None
    ) -> AsyncGenerator[bytes, None]:
        """One message for a stream of serialised ones. Close the iterator to end the call."""
        data = request.SerializeToString()
        async with self.channel() as channel:
            call: Any = channel.unary_stream(method)
            receiving = call(data, timeout=within, metadata=self.sign(method, data))
            try:
                async for message in receiving:
                    yield message
            finally:
                receiving.cancel()


def read(whom: str, data: bytes, kind: type[M]) -> M:
    """The message in a reply."""
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise IntegrityError(
            f"{whom} answered with something other than {kind.__name__}: it is broken or runs "
            "another version; use another one"
        ) from error


async def _write(sending: Any, first: bytes, rest: Iterable[bytes]) -> None:  # noqa: ANN401  # see below
    # Sending to a server that has answered already loses the answer: grpc reports an
    # internal error in its place. So the rest waits until the server asks for it, which
    # saves sending what it has or does not take, too.
    try:
        await sending.write(first)
        if READY in await sending.initial_metadata():
            for message in rest:
                await sending.write(message)
            await sending.done_writing()
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        return  # the call itself says why
