"""Which chain a configuration names, and the backend for it."""

from dataclasses import dataclass
from typing import ClassVar

from xdb.blockchain.embedded.genesis import Genesis, load_genesis
from xdb.blockchain.embedded.server import LedgerPeer
from xdb.config.ethereum import EthereumAccess
from xdb.config.sections import ChainAccess
from xdb.model.ids import Deployment
from xdb.node import embedded
from xdb.node.backend import Backend
from xdb.node.embedded import EmbeddedBackend
from xdb.node.machine import Machine
from xdb.peer.connections import Connections
from xdb.rpc.chain import chain_service
from xdb.rpc.server import Service


@dataclass(frozen=True, slots=True)
class EmbeddedChoice:
    """An embedded chain by its genesis."""

    access: ChainAccess
    genesis: Genesis
    nodes_reveal_seeds: ClassVar[bool] = False

    @property
    def deployment(self) -> Deployment:
        """What all signatures name."""
        return self.genesis.deployment


@dataclass(frozen=True, slots=True)
class EthereumChoice:
    """A registry on Ethereum; its endpoints as the files name them."""

    access: EthereumAccess
    urls: tuple[str, ...]
    nodes_reveal_seeds: ClassVar[bool] = True

    @property
    def deployment(self) -> Deployment:
        """What all signatures name."""
        return self.access.deployment


Choice = EmbeddedChoice | EthereumChoice


def choose(access: ChainAccess) -> Choice:
    """The chain, with its files read; ConfigError says which file is wrong."""
    match access.backend:
        case "embedded":
            return EmbeddedChoice(access, load_genesis(access.genesis_file))
        case "ethereum":
            return EthereumChoice(access.ethereum, access.ethereum.urls())


def deployment_of(access: ChainAccess) -> Deployment:
    """What all signatures name."""
    return choose(access).deployment


async def open_backend(machine: Machine, choice: Choice, connections: Connections) -> Backend:
    """The node's own copy of the chain, and the way to it."""
    match choice:
        case EmbeddedChoice():
            return await embedded.open_backend(machine, choice.access, choice.genesis, connections)
        case EthereumChoice():
            from xdb.node import ethereum  # noqa: PLC0415  # heavy, and only for this backend

            return await ethereum.open_backend(machine, choice.access, choice.urls)


def chain_services(backend: Backend) -> tuple[Service, ...]:
    """What a node serves of its chain: others can follow an embedded one from it."""
    if isinstance(backend, EmbeddedBackend):
        return (chain_service(LedgerPeer(backend.chain.ledger)),)
    return ()
