"""A registry on Ethereum as a node's backend."""

from xdb.blockchain.ethereum.backend import EthereumChain, Settings, open_ethereum
from xdb.blockchain.ethereum.deployment import Pins
from xdb.blockchain.ethereum.http import HttpRpc
from xdb.config.ethereum import EthereumAccess
from xdb.node.machine import CHAIN, Machine


async def open_backend(
    machine: Machine, access: EthereumAccess, urls: tuple[str, ...]
) -> EthereumChain:
    """The node's own copy of the registry's history, and its transaction journal."""
    rpcs = [HttpRpc(url, access.watch.answer) for url in urls]
    for rpc in rpcs:
        machine.resources.push_async_callback(rpc.close)
    return await open_ethereum(
        rpcs,
        Pins(access.chain_id, access.address, access.code),
        machine.open_kv(CHAIN),
        machine.clock,
        Settings(access.fees, access.send, access.watch),
        slot=round(access.slot),
        tell=lambda name, why: machine.log.warning("ethereum.trouble", of=name, reason=why),
    )
