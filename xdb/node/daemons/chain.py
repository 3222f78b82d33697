"""Role chain on this machine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from xdb.blockchain.embedded.genesis import Genesis, load_genesis
from xdb.config.address import endpoint_text
from xdb.config.chain import ChainConfig
from xdb.errors import ConfigError
from xdb.model.registry import Endpoint
from xdb.node.chain import ChainNode, ChainPorts, open_chain
from xdb.node.machine import CHAIN, endpoint_of, machine, open_key, owner_of
from xdb.rpc.chain import chain_service
from xdb.rpc.limits import Planes
from xdb.rpc.server import serve
from xdb.rpc.tasks import task_service
from xdb.runtime.periodic import shown
from xdb.store.keystore import LocalKey


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the files named in a configuration hold."""

    config: ChainConfig
    genesis: Genesis
    signer: LocalKey


def prepare(config: ChainConfig) -> Prepared:
    """Reads genesis and key; ConfigError and CorruptFileError say which file is wrong."""
    genesis, signer = load_genesis(config.genesis), open_key(config.sequencer)
    if signer.address != genesis.sequencer:
        raise ConfigError(
            f"{config.sequencer.keystore} holds the key of {signer.address.hex()}, the genesis "
            f"{config.genesis} names the sequencer {genesis.sequencer.hex()}: name the other file"
        )
    return Prepared(config, genesis, signer)


@dataclass(frozen=True, slots=True)
class RunningChain:
    """A chain server that serves."""

    node: ChainNode
    endpoint: Endpoint

    @property
    def description(self) -> str:
        """What others need in order to reach it."""
        return endpoint_text(self.endpoint)

    async def ended(self) -> None:
        """Makes blocks; raises when no more can be made."""
        await self.node.ended()


@asynccontextmanager
async def running(prepared: Prepared) -> AsyncIterator[RunningChain]:
    """The node, serving. Blocks are made while it is waited for to end."""
    config, genesis = prepared.config, prepared.genesis
    owner = owner_of("chain", genesis.sequencer, genesis)
    async with machine(config.data, config.kv, config.process, owner) as here:
        certificate = here.certificate()
        ports = ChainPorts(here.clock, here.compute, here.open_kv(CHAIN), prepared.signer)
        node = await open_chain(ports, genesis, config.calls)
        settings = here.server_settings(config.server, config.limits, certificate)
        services = [chain_service(node.source), task_service(lambda: shown(node.tasks))]
        async with serve(settings, services, Planes(config.limits)):
            yield RunningChain(node, endpoint_of(config.server, certificate))
