"""A registry on a testnet's own Ethereum chain, and ether for whoever calls it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TypeVar

from xdb.blockchain.ethereum.deployment import Pins
from xdb.blockchain.ethereum.endpoint import Endpoint
from xdb.blockchain.ethereum.founding import Founding, found
from xdb.blockchain.ethereum.http import HttpRpc
from xdb.blockchain.ethereum.quantities import data, quantity
from xdb.core.rules.parameters import check_parameters
from xdb.errors import ConfigError
from xdb.model.ids import Address
from xdb.model.registry import Parameters
from xdb.ports.keys import Signer
from xdb.runtime.clock import SystemClock
from xdb.testnet.files import Table

BLOCK_TIME = 1
"""Seconds between blocks, so that an epoch has as many seconds as blocks."""
RICH = 10_000 * 10**18
"""Wei that every key of a testnet begins with."""
LONGEST_EPOCH = 16_382
"""Blocks: the contract allows no more."""
_ANSWER = 20.0
_FREEZE = 2

T = TypeVar("T")


def founding(epoch: int, unreachable: int, others: Mapping[str, int]) -> Founding:
    """What a testnet's registry is deployed with; ConfigError when it cannot work."""
    if epoch > LONGEST_EPOCH:
        raise ConfigError(
            f"an epoch of {epoch} blocks is longer than a registry on Ethereum takes: choose "
            f"{LONGEST_EPOCH} at most"
        )
    values = {
        "start": 0,
        "epoch": epoch,
        "leaves_per_epoch": 5,
        "leaf_size": 256,
        "health_window": 7,
        "unreachable": unreachable,
    }
    parameters = Parameters(**{**values, **others})  # type: ignore[arg-type]  # integers only
    check_parameters(parameters)
    return Founding(epoch, min(_FREEZE, epoch - 1), parameters)


def deploy(url: str, payer: Signer, terms: Founding) -> Pins:
    """Deploys the registry, with ether that `payer` is given."""
    fund(url, [payer.address])
    return _asked(url, lambda endpoint: found(endpoint, payer, terms))


def fund(url: str, addresses: Iterable[Address]) -> None:
    """Makes them rich."""

    async def give(endpoint: Endpoint) -> None:
        for address in addresses:
            await endpoint.call("anvil_setBalance", data(address), quantity(RICH))

    _asked(url, give)


def tables(url: str, pins: Pins) -> Table:
    """What a node's configuration says of the chain."""
    return {
        "chain": {"backend": "ethereum"},
        "chain.ethereum": {
            "chain_id": pins.chain,
            "contract": f"0x{pins.contract.hex()}",
            "code_hash": f"0x{pins.code.hex()}",
            "endpoints": [url],
            "slot": f"{BLOCK_TIME}s",
        },
        "chain.ethereum.fees": {"daily": "100 ether"},
        "chain.ethereum.send": {"pause": "300ms"},
        # One endpoint is enough where it is one's own.
        "chain.ethereum.watch": {"quorum": 1, "pause": "300ms"},
    }


def _asked(url: str, ask: Callable[[Endpoint], Awaitable[T]]) -> T:
    async def run() -> T:
        rpc = HttpRpc(url, _ANSWER)
        try:
            return await ask(Endpoint(rpc, SystemClock(), _ANSWER))
        finally:
            await rpc.close()

    return asyncio.run(run())
