"""The chain that a node's configuration names, looked at without the node: `xdb-cli chain`."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from xdb.blockchain.ethereum.checkpoint import Checkpoint
from xdb.blockchain.ethereum.deployment import Pins, Terms, open_terms
from xdb.blockchain.ethereum.endpoints import Endpoints
from xdb.blockchain.ethereum.http import HttpRpc
from xdb.blockchain.ethereum.receipts import Receipt
from xdb.blockchain.ethereum.survey import Survey, survey, transfer
from xdb.config.owner import OwnerConfig
from xdb.config.sections import ChainAccess
from xdb.config.storage import StorageConfig
from xdb.errors import ConfigError
from xdb.model.ids import Address
from xdb.model.registry import Parameters
from xdb.node.choice import EmbeddedChoice, EthereumChoice, choose
from xdb.ports.keys import Signer
from xdb.runtime.clock import SystemClock
from xdb.store.keystore import keystore_address
from xdb.store.kv_memory import MemoryKeyValue

NodeConfig = StorageConfig | OwnerConfig


def pins_of(choice: EthereumChoice) -> Pins:
    """What the configuration names."""
    access = choice.access
    return Pins(access.chain_id, access.address, access.code)


def ethereum_of(access: ChainAccess) -> EthereumChoice:
    """The registry; ConfigError when the chain is an embedded one."""
    choice = choose(access)
    if isinstance(choice, EmbeddedChoice):
        raise ConfigError(
            "this configuration names an embedded chain, which has no endpoints and no ether: ask "
            "the owner node with `xdb-cli chain status` alone"
        )
    return choice


def payers(config: NodeConfig) -> Mapping[str, Address]:
    """The addresses that pay for a node's calls, by the name of their section."""
    if isinstance(config, OwnerConfig):
        return {"identity": keystore_address(config.identity.keystore)}
    found = {"signer": keystore_address(config.signer.keystore)}
    named = config.node.address
    if config.identity is not None:
        found["identity"] = keystore_address(config.identity.keystore)
    elif named is not None:
        found["identity"] = named
    return found


def look(config: NodeConfig) -> Survey:
    """The registry's chain as the endpoints show it. Errors as for `opened`."""
    choice = ethereum_of(config.chain)

    async def run() -> Survey:
        async with opened(choice) as (endpoints, _):
            return await survey(endpoints, pins_of(choice), payers(config))

    return asyncio.run(run())


def parameters(access: ChainAccess) -> tuple[Parameters, Terms | None]:
    """The parameters of either kind of chain; on Ethereum with what is counted in blocks."""
    choice = choose(access)
    if isinstance(choice, EmbeddedChoice):
        return choice.genesis.parameters, None

    async def run() -> Terms:
        async with opened(choice) as (_, terms):
            return terms

    terms = asyncio.run(run())
    return terms.parameters, terms


def fund(access: ChainAccess, payer: Signer, to: Address, wei: int) -> Receipt:
    """Sends ether on the registry's chain, and returns when that is in a block."""
    choice = ethereum_of(access)

    async def run() -> Receipt:
        async with opened(choice) as (endpoints, _):
            chain = choice.access.chain_id
            return await transfer(endpoints, chain, payer, to, wei, SystemClock())

    return asyncio.run(run())


@asynccontextmanager
async def opened(choice: EthereumChoice) -> AsyncIterator[tuple[Endpoints, Terms]]:
    """The endpoints, looked at, and the contract's terms; nothing is kept.

    ConfigError when chain or contract are not the pinned ones, UnavailableError when too few
    endpoints agree.
    """
    access, kv = choice.access, MemoryKeyValue()
    rpcs = [HttpRpc(url, access.watch.answer) for url in choice.urls]
    clock, pins = SystemClock(), pins_of(choice)
    try:
        endpoints = Endpoints(rpcs, pins.chain, Checkpoint(kv), clock, access.watch)
        yield endpoints, await open_terms(endpoints, pins, kv, round(access.slot))
    finally:
        for rpc in rpcs:
            await rpc.close()
