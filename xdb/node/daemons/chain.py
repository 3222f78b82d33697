"""Role chain on this machine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from xdb.blockchain.embedded.genesis import Genesis, load_genesis
from xdb.config.address import endpoint_text
from xdb.config.chain import ChainConfig
from xdb.core.beacon import beacon_chain
from xdb.errors import ConfigError
from xdb.model.registry import Endpoint
from xdb.node.chain import Beacon, ChainNode, ChainPorts, open_chain
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
    beacon: Beacon | None


def prepare(config: ChainConfig) -> Prepared:
    """Reads genesis and keys; ConfigError and CorruptFileError say which file is wrong."""
    genesis, signer = load_genesis(config.genesis), open_key(config.sequencer)
    if signer.address != genesis.sequencer:
        raise ConfigError(
            f"{config.sequencer.keystore} holds the key of {signer.address.hex()}, the genesis "
            f"{config.genesis} names the sequencer {genesis.sequencer.hex()}: name the other file"
        )
    return Prepared(config, genesis, signer, _beacon(config, genesis))


def _beacon(config: ChainConfig, genesis: Genesis) -> Beacon | None:
    if config.beacon is None:
        return None
    key, named = open_key(config.beacon), genesis.parameters.beacons
    chain = beacon_chain(key, genesis.beacon_context)
    if chain.commitment not in named:
        raise ConfigError(
            f"{config.beacon.keystore} is none of the {len(named)} beacons that the genesis "
            f"{config.genesis} names: name the keystore that it was made with, or remove [beacon]"
        )
    if len(named) > 1:
        raise ConfigError(
            f"the genesis {config.genesis} names {len(named)} beacons, and a seed needs them all "
            f"at once: beside {config.beacon.keystore} {len(named) - 1} are missing here, and one "
            "server can have one only; remove [beacon], and bring the preimages together elsewhere"
        )
    return Beacon(key, chain)


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
    owner = owner_of("chain", genesis.sequencer, genesis.deployment)
    async with machine(config.data, config.kv, config.process, owner) as here:
        certificate = here.certificate()
        ports = ChainPorts(
            clock=here.clock,
            entropy=here.entropy,
            spawn=here.spawn,
            compute=here.compute,
            ledger=here.open_kv(CHAIN),
            signer=prepared.signer,
            beacon=prepared.beacon,
            log=here.log,
        )
        node = await open_chain(ports, genesis, config.calls)
        settings = here.server_settings(config.server, config.limits, certificate)
        services = [chain_service(node.source), task_service(lambda: shown(node.tasks))]
        async with serve(settings, services, Planes(config.limits)):
            node.start_tasks()
            yield RunningChain(node, endpoint_of(config.server, certificate))
