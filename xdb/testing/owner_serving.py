"""An owner node and storage nodes in memory, with real gRPC between all of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from xdb.client.context import Context
from xdb.config.owner import owner_limits
from xdb.model.calls import UpdateNode
from xdb.model.ids import Address, NodeId
from xdb.model.registry import Endpoint
from xdb.peer.certificates import make_certificate
from xdb.peer.tasks import GrpcTaskPeers
from xdb.rpc.audit import audit_service
from xdb.rpc.authorization import Doorkeeper, Replays
from xdb.rpc.clients import Clients
from xdb.rpc.file import OwnerServices, file_service
from xdb.rpc.limits import Limits, Planes
from xdb.rpc.migration import migration_service
from xdb.rpc.namespace import namespace_service
from xdb.rpc.node import NodeServicer, node_service
from xdb.rpc.owner_health import health_service
from xdb.rpc.server import ServerSettings, Service, serve
from xdb.services.history import History
from xdb.services.tasks import TaskOverview
from xdb.testing.care import Care
from xdb.testing.entropy import SeededEntropy
from xdb.testing.network import Network
from xdb.testing.owner import SLICE, OwnerBench
from xdb.testing.serving import calling, served
from xdb.testing.tasks import task

STEP = 0.25
"""Seconds of the fake clock that pass in every hundredth of a second."""


@dataclass
class ServedOwner:
    """The owner's services, how clients reach them, and the nodes' servers."""

    bench: OwnerBench
    context: Context
    nodes: dict[NodeId, AsyncExitStack]
    care: Care

    async def stop(self, node: NodeId) -> None:
        """Ends a storage node's server."""
        await self.nodes[node].aclose()


@asynccontextmanager
async def owner_served(
    net: Network, *, clients: frozenset[Address] = frozenset(), limits: Limits | None = None
) -> AsyncIterator[ServedOwner]:
    """Serves the network's owner and its members; time goes on by itself."""
    async with AsyncExitStack() as stack:
        nodes = {}
        for member in net.members.values():
            nodes[member.node] = await stack.enter_async_context(AsyncExitStack())
            record = await nodes[member.node].enter_async_context(
                served(member.custody, tasks=(task("heartbeat"),))
            )
            net.chain.call(member.key.address, UpdateNode(endpoint=record.endpoint))
        await net.caught_up()
        peers = await stack.enter_async_context(calling(net.owner, net.chain.deployment, net.clock))
        bench = OwnerBench(net, peers=peers)
        care = Care(bench)
        net.spawn.start(_passing(net), name="time")
        asked = GrpcTaskPeers(peers.signer, peers.connections)
        tasks = TaskOverview(lambda: (task("journal"),), net.index, asked, ())
        endpoint = await stack.enter_async_context(_serving(care, tasks, clients, limits))
        context = Context(endpoint, net.owner.address, net.chain.deployment, Path())
        yield ServedOwner(bench, context, nodes, care)


@asynccontextmanager
async def _serving(
    care: Care, tasks: TaskOverview, clients: frozenset[Address], limits: Limits | None
) -> AsyncIterator[Endpoint]:
    net, certificate, limits = care.bench.network, make_certificate(), limits or owner_limits()
    settings = ServerSettings(
        listen="127.0.0.1:0",
        certificate=certificate,
        clock=net.clock,
        entropy=SeededEntropy("owner"),
        limits=limits,
        doorkeeper=Doorkeeper(
            net.owner.address, net.chain.deployment, net.clock, Replays(limits.replays)
        ),
    )
    async with serve(settings, _services(care, tasks, clients), Planes(limits)) as port:
        yield Endpoint(f"127.0.0.1:{port}", certificate.fingerprint)


def _services(care: Care, tasks: TaskOverview, clients: frozenset[Address]) -> list[Service]:
    bench = care.bench
    net = bench.network
    served_to = Clients(net.owner.address, clients)
    services = OwnerServices(
        index=net.index,
        catalog=bench.catalog,
        viewpoint=bench.namespaces.viewpoint,
        uploader=bench.uploader,
        downloader=bench.downloader,
        verification=bench.verification,
        spawn=net.spawn,
        slice_size=SLICE,
    )
    history = History(net.index, bench.catalog)
    nodes = NodeServicer(
        survey=bench.survey,
        uploader=bench.uploader,
        deployment=net.chain.deployment,
        clients=served_to,
        slice_size=SLICE,
        tasks=tasks,
        viewpoint=bench.namespaces.viewpoint,
        history=history,
    )
    return [
        file_service(services, served_to),
        namespace_service(bench.namespaces, served_to),
        node_service(nodes),
        health_service(care.overview, served_to),
        migration_service(care.migrator, history, served_to),
        audit_service(care.auditor, history, served_to),
    ]


async def _passing(net: Network) -> None:
    while True:
        await asyncio.sleep(0.01)
        await net.clock.advance(STEP)
