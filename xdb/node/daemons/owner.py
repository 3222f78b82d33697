"""Role owner on this machine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from xdb.config.address import endpoint_text
from xdb.config.owner import OwnerConfig
from xdb.model.registry import Endpoint
from xdb.node.choice import Choice, choose, open_backend
from xdb.node.machine import JOURNAL, VIEWS, endpoint_of, machine, open_key, owner_of
from xdb.node.owner import OwnerNode, OwnerSettings, open_owner
from xdb.node.owner_care import CarePaces, CareSettings
from xdb.node.owner_ports import OwnerPorts
from xdb.node.process import for_ever
from xdb.peer.requests import RequestSigner
from xdb.peer.storage import GrpcStoragePeers
from xdb.peer.tasks import GrpcTaskPeers
from xdb.rpc.audit import audit_service
from xdb.rpc.clients import Clients
from xdb.rpc.file import OwnerServices, file_service
from xdb.rpc.limits import Planes
from xdb.rpc.migration import migration_service
from xdb.rpc.namespace import namespace_service
from xdb.rpc.node import NodeServicer, node_service
from xdb.rpc.owner_health import health_service
from xdb.rpc.server import Service, serve
from xdb.rpc.tasks import task_service
from xdb.runtime.periodic import shown
from xdb.services.health.overview import HealthOverview
from xdb.services.history import History
from xdb.services.tasks import TaskOverview
from xdb.store.keystore import LocalKey


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the files named in a configuration hold."""

    config: OwnerConfig
    choice: Choice
    key: LocalKey


def prepare(config: OwnerConfig) -> Prepared:
    """Reads what the files hold; ConfigError and CorruptFileError say which file is wrong."""
    return Prepared(config, choose(config.chain), open_key(config.identity))


@dataclass(frozen=True, slots=True)
class RunningOwner:
    """An owner node that serves."""

    node: OwnerNode
    endpoint: Endpoint

    @property
    def description(self) -> str:
        """What clients need in order to reach it."""
        return endpoint_text(self.endpoint)

    async def ended(self) -> None:
        """Never: nothing here can fail for good."""
        await for_ever()


@asynccontextmanager
async def running(prepared: Prepared) -> AsyncIterator[RunningOwner]:
    """The node, serving."""
    config, choice, key = prepared.config, prepared.choice, prepared.key
    owner = owner_of("owner", key.address, choice.deployment)
    async with machine(config.data, config.kv, config.process, owner) as here:
        certificate = here.certificate()
        connections = here.connections(config.peers)
        signer = RequestSigner(key, choice.deployment, here.clock, here.entropy)
        ports = OwnerPorts(
            clock=here.clock,
            entropy=here.entropy,
            spawn=here.spawn,
            compute=here.compute,
            journal=here.open_kv(JOURNAL),
            views=here.open_kv(VIEWS),
            backend=await open_backend(here, choice, connections),
            peers=GrpcStoragePeers(signer, connections),
            key=key,
            log=here.log,
        )
        node = await open_owner(ports, _settings(config))
        tasks = TaskOverview(
            own=lambda: shown(node.tasks),
            index=node.following.index,
            peers=GrpcTaskPeers(signer, connections),
            servers=config.chain.endpoints,
        )
        planes = Planes(config.limits)
        settings = replace(
            here.server_settings(config.server, config.limits, certificate),
            doorkeeper=here.doorkeeper(key.address, choice.deployment, config.limits),
        )
        async with serve(settings, _services(node, config, tasks), planes):
            node.start_tasks()
            yield RunningOwner(node, endpoint_of(config.server, certificate))


def _settings(config: OwnerConfig) -> OwnerSettings:
    tasks = config.tasks
    return OwnerSettings(
        trust=config.trust,
        upload=config.upload,
        download=config.download,
        care=CareSettings(config.audit, config.migration, config.repair),
        paces=CarePaces(tasks.auditor, tasks.health, tasks.migrator),
        journal=tasks.journal,
        off=frozenset(tasks.off),
        renew=config.renew,
        renewer=tasks.renewer,
    )


def _services(node: OwnerNode, config: OwnerConfig, tasks: TaskOverview) -> list[Service]:
    clients = Clients(node.owner, config.clients.addresses)
    services = OwnerServices(
        index=node.following.index,
        catalog=node.catalog,
        viewpoint=node.care.viewpoint,
        uploader=node.uploader,
        downloader=node.downloader,
        verification=node.verification,
        spawn=node.ports.spawn,
        slice_size=config.slice_size,
    )
    history = History(node.following.index, node.catalog)
    nodes = NodeServicer(
        survey=node.survey,
        uploader=node.uploader,
        deployment=node.ports.backend.deployment,
        clients=clients,
        slice_size=config.slice_size,
        tasks=tasks,
        viewpoint=node.care.viewpoint,
        history=history,
    )
    overview = HealthOverview(node.care.observations, node.care.book, node.catalog)
    return [
        file_service(services, clients),
        namespace_service(node.namespaces, clients),
        node_service(nodes),
        health_service(overview, clients),
        migration_service(node.care.migrator, history, clients),
        audit_service(node.care.auditor, history, clients),
        task_service(tasks.own, clients.check),
    ]
