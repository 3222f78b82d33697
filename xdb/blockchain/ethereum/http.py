"""An endpoint over HTTP, by web3.py's provider."""

import logging
from typing import Any

from aiohttp import ClientError, ClientTimeout
from web3 import AsyncHTTPProvider
from web3.exceptions import Web3Exception
from web3.types import RPCEndpoint

from xdb.blockchain.ethereum.rpc import name_of, result_of
from xdb.errors import UnavailableError

_FAILURES = (ClientError, TimeoutError, OSError, ValueError, Web3Exception)


class HttpRpc:
    """`Rpc` at an address. Nothing is tried again here: that is for whoever knows of others."""

    def __init__(self, url: str, answer: float) -> None:
        self.name = name_of(url)
        logging.getLogger("web3").setLevel(logging.WARNING)  # below, it logs whole addresses
        self._provider = AsyncHTTPProvider(
            url,
            request_kwargs={"timeout": ClientTimeout(total=answer)},
            exception_retry_configuration=None,
        )

    async def call(self, method: str, *parameters: object) -> Any:  # noqa: ANN401  # JSON
        """See `Rpc`."""
        try:
            answer = await self._provider.make_request(RPCEndpoint(method), list(parameters))
        except _FAILURES as error:
            # The library's sentences repeat the address, which may hold a key.
            raise UnavailableError(
                f"{self.name} does not answer {method} ({type(error).__name__}): see that it "
                "runs and is reachable"
            ) from None
        return result_of(answer, self.name)

    async def close(self) -> None:
        """See `Rpc`."""
        await self._provider.disconnect()
