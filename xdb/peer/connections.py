"""Connections to other nodes: opened once, shared, given up when they fail."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc

from xdb.errors import UnavailableError, XdbError
from xdb.model.ids import Digest
from xdb.model.registry import Endpoint
from xdb.peer.config import PeerConfig
from xdb.peer.failures import is_lost
from xdb.peer.pinning import accepts, check_certificate
from xdb.peer.transport import Channel, TlsTransport, Transport

_LOST = (
    grpc.ChannelConnectivity.IDLE,  # the server closed it
    grpc.ChannelConnectivity.TRANSIENT_FAILURE,
)


@dataclass(slots=True, eq=False)
class _Connection:
    """A channel, and who uses it."""

    channel: Channel
    certificate: Digest
    users: int = 0
    proven: bool = False  # a call on it has come through
    retired: bool = False


class Connections:
    """One connection for each address, as long as its certificate is the recorded one.

    After a failure or a loss the next call looks at the certificate again and connects anew. A
    connection given up closes when the last call on it has ended.
    """

    def __init__(
        self, config: PeerConfig | None = None, transport: Transport | None = None
    ) -> None:
        self.config = config or PeerConfig()
        self._transport = transport or TlsTransport()
        self._open: dict[str, _Connection] = {}
        self._opening: dict[Endpoint, asyncio.Future[None]] = {}
        self._bulk: dict[str, asyncio.Semaphore] = {}
        self._closed = False

    @asynccontextmanager
    async def use(self, whom: str, endpoint: Endpoint) -> AsyncIterator[Channel]:
        """The channel for one call. `whom` names the other side in messages."""
        connection = await self._connection(whom, endpoint)
        connection.users += 1
        try:
            yield connection.channel
            connection.proven = True
        except grpc.aio.AioRpcError as error:
            if is_lost(error):
                self._retire(endpoint.address, connection)
            raise
        finally:
            connection.users -= 1
            await _close_unused(connection)

    def bulk(self, endpoint: Endpoint) -> asyncio.Semaphore:
        """Held during a bulk call, so that a node is not asked for more than it allows."""
        return self._bulk.setdefault(endpoint.address, asyncio.Semaphore(self.config.bulk_calls))

    async def close(self) -> None:
        """Ends all connections and the calls on them."""
        self._closed = True
        while self._open:
            _, connection = self._open.popitem()
            await connection.channel.close()

    async def _connection(self, whom: str, endpoint: Endpoint) -> _Connection:
        while True:
            if self._closed:
                raise UnavailableError(f"{whom} is not called: this process is stopping")
            found = self._open.get(endpoint.address)
            if found is not None and _is_good(found, endpoint):
                return found
            opening = self._opening.get(endpoint)
            if opening is None:
                await self._connect(whom, endpoint)
                continue
            # Somebody connects already. Whatever comes of it, look again; but a
            # failure is everybody's, or callers would queue up to fail one by one.
            await asyncio.wait([opening])
            if not opening.cancelled() and (error := opening.exception()) is not None:
                raise error

    async def _connect(self, whom: str, endpoint: Endpoint) -> None:
        opening = self._opening[endpoint] = asyncio.get_running_loop().create_future()
        try:
            shown = await self._transport.fetch(whom, endpoint.address, self.config.connect)
            certificate = check_certificate(whom, endpoint, shown)
        except XdbError as error:
            opening.set_exception(error)
            opening.exception()  # that nobody waits for it is no mistake
            raise
        finally:
            del self._opening[endpoint]
            opening.cancel()
        if self._closed:
            return
        old = self._open.get(endpoint.address)
        self._open[endpoint.address] = _Connection(
            self._transport.open(endpoint.address, shown), certificate
        )
        if old is not None:
            old.retired = True
            await _close_unused(old)

    def _retire(self, address: str, connection: _Connection) -> None:
        connection.retired = True
        if self._open.get(address) is connection:
            del self._open[address]


def _is_good(connection: _Connection, endpoint: Endpoint) -> bool:
    """Whether it leads to the recorded certificate.

    One that was lost without a call on it is not: grpc would connect again by itself, but
    knows the old certificate only, and the server may have come back with the next one.
    """
    lost = connection.proven and connection.channel.get_state() in _LOST
    return not lost and accepts(endpoint, connection.certificate)


async def _close_unused(connection: _Connection) -> None:
    if connection.retired and connection.users == 0:
        await connection.channel.close()
