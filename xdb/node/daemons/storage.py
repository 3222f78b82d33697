"""Role storage on this machine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from xdb import __version__
from xdb.config.address import endpoint_text, split_address
from xdb.config.storage import StorageConfig
from xdb.errors import ConfigError
from xdb.model.ids import NodeId
from xdb.model.registry import Endpoint
from xdb.node.backend import Backend
from xdb.node.choice import Choice, chain_services, choose, open_backend
from xdb.node.enrolment import Profile
from xdb.node.identity import identity_of
from xdb.node.machine import (
    CATALOG,
    VIEWS,
    Machine,
    endpoint_of,
    machine,
    open_key,
    owner_of,
)
from xdb.node.storage import StorageNode, open_storage
from xdb.node.storage_ports import StoragePorts, StorageSettings
from xdb.peer.certificates import Certificate
from xdb.rpc.authorization import caller
from xdb.rpc.limits import Planes
from xdb.rpc.probe import probe_service
from xdb.rpc.replica import replica_service
from xdb.rpc.server import serve
from xdb.rpc.tasks import task_service
from xdb.runtime.periodic import shown
from xdb.runtime.reports import report_text
from xdb.services.admission import admission
from xdb.store.keystore import LocalKey
from xdb.store.room import RoomConfig


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the files named in a configuration hold."""

    config: StorageConfig
    choice: Choice
    signer: LocalKey
    identity: LocalKey | None
    node: NodeId


def prepare(config: StorageConfig) -> Prepared:
    """Reads what the files hold; ConfigError and CorruptFileError say which file is wrong."""
    choice = choose(config.chain)
    signer = open_key(config.signer)
    node, identity = identity_of(config)
    return Prepared(config, choice, signer, identity, node)


@dataclass(frozen=True, slots=True)
class Opened:
    """A node without a server, and what one needs beside it."""

    machine: Machine
    certificate: Certificate
    backend: Backend
    node: StorageNode


@dataclass(frozen=True, slots=True)
class RunningStorage:
    """A storage node that serves."""

    node: StorageNode
    endpoint: Endpoint

    @property
    def description(self) -> str:
        """What others need in order to reach it."""
        return endpoint_text(self.endpoint)

    async def ended(self) -> None:
        """Raises when the node has to start again."""
        await self.node.ended()


@asynccontextmanager
async def opened(prepared: Prepared) -> AsyncIterator[Opened]:
    """The node without its server. At the end it is offline, for the chain, too."""
    config = prepared.config
    owner = owner_of("storage", prepared.node, prepared.choice.deployment)
    async with machine(config.data, config.kv, config.process, owner) as here:
        certificate = here.certificate()
        endpoint = endpoint_of(config.server, certificate, here.next_certificate())
        backend = await open_backend(here, prepared.choice, here.connections(config.peers))
        ports = StoragePorts(
            clock=here.clock,
            entropy=here.entropy,
            spawn=here.spawn,
            compute=here.compute,
            disk=here.open_disk(),
            catalog=here.open_kv(CATALOG),
            views=here.open_kv(VIEWS),
            backend=backend,
            signer=prepared.signer,
            identity=prepared.identity,
            log=here.log,
        )
        node = await open_storage(ports, _settings(prepared, endpoint))
        try:
            yield Opened(here, certificate, backend, node)
        finally:
            await node.sign_off()  # still connected to the chain


@asynccontextmanager
async def running(prepared: Prepared) -> AsyncIterator[RunningStorage]:
    """The node, serving."""
    config = prepared.config
    async with opened(prepared) as made:
        limits, planes = config.limits, Planes(config.limits)
        settings = replace(
            made.machine.server_settings(config.server, limits, made.certificate),
            doorkeeper=made.machine.doorkeeper(prepared.node, prepared.choice.deployment, limits),
        )
        services = [
            replica_service(made.node.custody, limits, planes),
            probe_service(made.node.custody, made.node.probing),
            *chain_services(made.backend),
            task_service(
                lambda: shown(made.node.tasks),
                lambda: made.node.custody.admission.check(caller()),
            ),
        ]
        async with serve(settings, services, planes):
            made.node.start_tasks()
            yield RunningStorage(made.node, endpoint_of(config.server, made.certificate))


async def run_once(prepared: Prepared, task: str) -> str:
    """One cycle of a task of a node that does not run; gives its report."""
    async with opened(prepared) as made:
        tasks = {each.name: each for each in made.node.tasks}
        if task not in tasks:
            raise ConfigError(f"there is no task {task!r}: choose one of {', '.join(tasks)}")
        return report_text(await tasks[task].run_once())


def _settings(prepared: Prepared, endpoint: Endpoint) -> StorageSettings:
    config, space = prepared.config, prepared.config.space
    host, _ = split_address(config.server.listen)
    return StorageSettings(
        node=prepared.node,
        profile=Profile(
            signer=prepared.signer.address,
            endpoint=endpoint,
            operator=config.node.operator,
            zone=config.node.zone,
            capacity=space.capacity,
        ),
        room=RoomConfig(
            capacity=space.capacity,
            reserve=space.reserve,
            quota=space.quota,
            in_flight=space.in_flight,
            waiting=space.waiting,
        ),
        admission=admission(space.allowed, host),
        collector=config.tasks.collector,
        off=frozenset(config.tasks.off),
        seeds=prepared.choice.nodes_reveal_seeds,
        scrub=config.scrub,
        version=__version__,
    )
