"""An endpoint over HTTP.

web3.py writes and reads the messages. Its pool of connections is not used: a request that
is cancelled, as every one is that takes too long, can leave the pool's lock held, and with
it every other request of the process.
"""

from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout
from web3 import AsyncHTTPProvider
from web3.exceptions import Web3Exception
from web3.types import RPCEndpoint

from xdb.blockchain.ethereum.rpc import name_of, result_of
from xdb.errors import UnavailableError

LARGEST = 64 << 20
"""Bytes of an answer that are read."""

_CHUNK = 1 << 16
_BAD = 400
_FAILURES = (ClientError, TimeoutError, OSError, ValueError, Web3Exception)


class HttpRpc:
    """`Rpc` at an address. Nothing is tried again here: that is for whoever knows of others."""

    def __init__(self, url: str, answer: float) -> None:
        self.name = name_of(url)
        self._url = url
        self._answer = answer
        self._messages = AsyncHTTPProvider(url)
        self._session: ClientSession | None = None

    async def call(self, method: str, *parameters: object) -> Any:  # noqa: ANN401  # JSON
        """See `Rpc`."""
        try:
            request = self._messages.encode_rpc_request(RPCEndpoint(method), list(parameters))
            answer = self._messages.decode_rpc_response(await self._post(request))
        except _FAILURES as error:
            # The libraries' sentences repeat the address, which may hold a key.
            raise UnavailableError(
                f"{self.name} does not answer {method} ({type(error).__name__}): see that it "
                "runs and is reachable"
            ) from None
        return result_of(answer, self.name)

    async def close(self) -> None:
        """See `Rpc`."""
        if self._session is not None:
            await self._session.close()

    async def _post(self, request: bytes) -> bytes:
        if self._session is None or self._session.closed:
            self._session = ClientSession(timeout=ClientTimeout(total=self._answer))
        headers = {"Content-Type": "application/json"}
        async with self._session.post(self._url, data=request, headers=headers) as response:
            if response.status >= _BAD:
                raise UnavailableError(f"{self.name} answers HTTP {response.status}: try later")
            found = bytearray()
            async for part in response.content.iter_chunked(_CHUNK):
                found += part
                if len(found) > LARGEST:
                    raise UnavailableError(f"{self.name} sends more than {LARGEST} bytes")
            return bytes(found)
