"""What carries calls: TLS over TCP, or a simulated network in its place."""

from collections.abc import Awaitable
from typing import Any, Protocol

import grpc

from xdb.peer.pinning import fetch_certificate, open_channel


class Channel(Protocol):
    """Calls to one address, as grpc.aio makes them; failed ones raise AioRpcError."""

    def unary_unary(self, method: str, /) -> Any:  # noqa: ANN401  # as grpc types them
        """One message for one message."""
        ...

    def stream_unary(self, method: str, /) -> Any:  # noqa: ANN401
        """Messages for one message."""
        ...

    def unary_stream(self, method: str, /) -> Any:  # noqa: ANN401
        """One message for messages."""
        ...

    def stream_stream(self, method: str, /) -> Any:  # noqa: ANN401
        """Messages for messages."""
        ...

    def get_state(self) -> grpc.ChannelConnectivity:
        """Whether it is connected, as far as is known here."""
        ...

    def close(self) -> Awaitable[None]:
        """Ends the calls."""
        ...


class Transport(Protocol):
    """How an address is reached."""

    async def fetch(self, whom: str, address: str, patience: float) -> bytes:
        """The DER certificate shown at `address`; UnavailableError when there is none."""
        ...

    def open(self, address: str, certificate: bytes) -> Channel:
        """A channel that trusts this DER certificate and no other."""
        ...


class TlsTransport:
    """`Transport` of the real network."""

    async def fetch(self, whom: str, address: str, patience: float) -> bytes:
        """See `Transport`."""
        return await fetch_certificate(whom, address, patience)

    def open(self, address: str, certificate: bytes) -> Channel:
        """See `Transport`."""
        return open_channel(address, certificate)
