"""A new registry on Ethereum: `xdb-node registry`."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace

from xdb.blockchain.ethereum.deployment import SLOT, Pins
from xdb.blockchain.ethereum.endpoint import Endpoint
from xdb.blockchain.ethereum.founding import Founding, found
from xdb.blockchain.ethereum.http import HttpRpc
from xdb.config.ethereum import check_url
from xdb.config.sections import KeyConfig
from xdb.config.table import nearest
from xdb.config.units import parse_duration
from xdb.core.rules.parameters import check_parameters
from xdb.errors import ConfigError
from xdb.node.founding import NUMBERS
from xdb.node.machine import open_key
from xdb.runtime.clock import SystemClock

ANSWER = 60.0
"""Seconds that the endpoint may take for an answer."""

_BLOCKS = ("epoch", "freeze")
_FIXED = {"start", "heartbeat", "envelope_lifetime"}  # others than the contract's


@dataclass(frozen=True, slots=True)
class Order:
    """Where to deploy, who pays, and parameters other than the defaults as `name=value`.

    With `chain` the endpoint must be on the chain of that number.
    """

    endpoint: str
    key: KeyConfig
    settings: Iterable[str] = ()
    chain: int | None = None


def deploy(order: Order) -> Pins:
    """Deploys a registry; says what nodes have to pin."""
    return asyncio.run(_deploy(order))


def section(pins: Pins) -> str:
    """What a configuration says of the registry."""
    return (
        "[chain.ethereum]\n"
        f"chain_id = {pins.chain}\n"
        f'contract = "0x{pins.contract.hex()}"\n'
        f'code_hash = "0x{pins.code.hex()}"\n'
    )


def founding_of(settings: Iterable[str]) -> Founding:
    """The defaults with `settings`; `epoch` and `freeze` are blocks, times have units."""
    founding = Founding()
    known = (*_BLOCKS, *(name for name in NUMBERS if name not in _FIXED | set(_BLOCKS)))
    for text in settings:
        name, mark, value = text.partition("=")
        if not mark or name not in known:
            raise ConfigError(f"--set {text}: write NAME=VALUE{nearest(name, list(known))}")
        try:
            number = int(value) if name in _BLOCKS else int(parse_duration(value))
        except ValueError as error:
            raise ConfigError(f"--set {text}: {error}") from error
        if name in _BLOCKS:
            founding = replace(founding, **{name: number})  # type: ignore[arg-type]  # a number
        else:
            changed = replace(founding.parameters, **{name: number})  # type: ignore[arg-type]  # a number
            founding = replace(founding, parameters=changed)
    epoch = replace(founding.parameters, epoch=founding.epoch * SLOT)
    founding = replace(founding, parameters=epoch)
    check_parameters(founding.parameters)
    return founding


async def _deploy(order: Order) -> Pins:
    check_url(order.endpoint)
    founding, key = founding_of(order.settings), open_key(order.key)
    rpc = HttpRpc(order.endpoint, ANSWER)
    try:
        endpoint = Endpoint(rpc, SystemClock(), ANSWER)
        if order.chain is not None and (chain := await endpoint.chain()) != order.chain:
            raise ConfigError(
                f"{endpoint.name} is on chain {chain}, not {order.chain}: nothing was deployed; "
                "name an endpoint of the chain that you mean"
            )
        return await found(endpoint, key, founding)
    finally:
        await rpc.close()
