"""`peer.transport` over the simulated network."""

from collections.abc import Callable
from typing import Any, Protocol

import grpc

from xdb.errors import UnavailableError
from xdb.peer.transport import Channel
from xdb.testing.simulation.calling import SimulatedCall
from xdb.testing.simulation.exchange import Exchange
from xdb.testing.simulation.frames import Metadata, Request

HELLO = ""
"""The method of which every server knows the answer: its certificate."""


class Exchanges(Protocol):
    """What a caller needs of the network."""

    def exchange(self, source: str, address: str) -> Exchange:
        """A new call."""
        ...

    def connection(self, source: str, address: str) -> object:
        """Which of all connections there ever are between them is the one of now."""
        ...

    def knows_lost(self, source: str, address: str, connection: object) -> bool:
        """Whether the source has been told that a connection is lost."""
        ...


def no_check() -> None:
    """The host is up."""


class SimulatedChannel:
    """`Channel` from one host to an address that must show one certificate."""

    def __init__(
        self,
        network: Exchanges,
        source: str,
        address: str,
        certificate: bytes | None,
        check: Callable[[], None] = no_check,
    ) -> None:
        self._network = network
        self._check = check
        self._source = source
        self._address = address
        self._certificate = certificate
        self._connection = network.connection(source, address)
        self._calls: dict[int, SimulatedCall] = {}
        self._closed = False

    def unary_unary(self, method: str, /) -> Any:  # noqa: ANN401  # as grpc types them
        """See `Channel`."""

        def call(
            message: bytes, timeout: float | None = None, metadata: Metadata = ()
        ) -> SimulatedCall:
            return self._begin(Request(method, metadata, timeout, message, whole=True), once=True)

        return call

    def unary_stream(self, method: str, /) -> Any:  # noqa: ANN401
        """See `Channel`."""

        def call(
            message: bytes, timeout: float | None = None, metadata: Metadata = ()
        ) -> SimulatedCall:
            return self._begin(Request(method, metadata, timeout, message, whole=True))

        return call

    def stream_unary(self, method: str, /) -> Any:  # noqa: ANN401
        """See `Channel`."""

        def call(timeout: float | None = None, metadata: Metadata = ()) -> SimulatedCall:
            return self._begin(Request(method, metadata, timeout, None, whole=False))

        return call

    stream_stream = stream_unary

    def get_state(self) -> grpc.ChannelConnectivity:
        """See `Channel`."""
        if self._network.knows_lost(self._source, self._address, self._connection):
            return grpc.ChannelConnectivity.IDLE
        return grpc.ChannelConnectivity.READY

    async def close(self) -> None:
        """See `Channel`."""
        self._closed = True
        for call in list(self._calls.values()):
            call.cancel()

    def _begin(self, request: Request, *, once: bool = False) -> SimulatedCall:
        self._check()
        self._calls = {number: call for number, call in self._calls.items() if not call.over}
        exchange = self._network.exchange(self._source, self._address)
        exchange.certificate = self._certificate
        made = SimulatedCall(exchange, request.timeout)
        self._calls[exchange.number] = made
        if self._closed:
            made.cut("the channel is closed")
            return made
        exchange.repeatable = once and request.method != HELLO
        made.begin(request)
        return made


class SimulatedTransport:
    """`Transport` of one host. `check` raises when the host can make no more calls."""

    def __init__(
        self, network: Exchanges, source: str, check: Callable[[], None] = no_check
    ) -> None:
        self._network = network
        self._source = source
        self._check = check

    async def fetch(self, whom: str, address: str, patience: float) -> bytes:
        """See `Transport`."""
        channel = SimulatedChannel(self._network, self._source, address, None, self._check)
        try:
            shown: bytes = await channel.unary_unary(HELLO)(b"", timeout=patience)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise UnavailableError(
                    f"{whom} does not answer within {patience:g} s: it is down or cut off; "
                    "try again"
                ) from error
            raise UnavailableError(
                f"{whom} cannot be reached ({error.details()}): it is down, cut off, or not at "
                "this address"
            ) from error
        return shown

    def open(self, address: str, certificate: bytes) -> Channel:
        """See `Transport`."""
        return SimulatedChannel(self._network, self._source, address, certificate, self._check)
