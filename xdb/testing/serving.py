"""Storage nodes in memory behind real gRPC on loopback, and callers of them."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

from xdb.model.ids import Deployment
from xdb.model.registry import Endpoint, NodeRecord
from xdb.model.tasks import TaskStatus
from xdb.peer.certificates import Certificate, make_certificate
from xdb.peer.config import PeerConfig
from xdb.peer.connections import Connections
from xdb.peer.requests import RequestSigner
from xdb.peer.storage import GrpcStoragePeers
from xdb.ports.clock import Clock
from xdb.ports.keys import Signer
from xdb.rpc.authorization import Doorkeeper, Replays, caller
from xdb.rpc.limits import Limits, Planes
from xdb.rpc.probe import probe_service
from xdb.rpc.replica import replica_service
from xdb.rpc.server import ServerSettings, Service, serve
from xdb.rpc.tasks import task_service
from xdb.services.custody import Custody
from xdb.services.probing import Probing
from xdb.testing.entropy import SeededEntropy

Serve = Callable[[ServerSettings, Sequence[Service], Planes], AbstractAsyncContextManager[int]]
"""What serves services until the end of a block, and gives the port."""


@asynccontextmanager
async def served(  # noqa: PLR0913  # named, and each has a default
    custody: Custody,
    *,
    limits: Limits | None = None,
    certificate: Certificate | None = None,
    listen: str = "127.0.0.1:0",
    tasks: tuple[TaskStatus, ...] = (),
    by: Serve = serve,
    probing: Probing | None = None,
) -> AsyncIterator[NodeRecord]:
    """Serves a custody; gives its node's record with the endpoint where it now is.

    On a simulated network `by` is its `serve`, and the certificate a simulated one.
    """
    limits, certificate = limits or Limits(), certificate or make_certificate()
    facts = custody.facts
    settings = ServerSettings(
        listen=listen,
        certificate=certificate,
        clock=custody.clock,
        entropy=SeededEntropy("server"),
        limits=limits,
        doorkeeper=Doorkeeper(facts.node, facts.deployment, custody.clock, Replays(limits.replays)),
    )
    planes = Planes(limits)
    services = [
        replica_service(custody, limits, planes),
        probe_service(custody, probing or Probing(custody, custody.compute)),
        task_service(lambda: tasks, lambda: custody.admission.check(caller())),
    ]
    async with by(settings, services, planes) as port:
        host = listen.rpartition(":")[0]
        endpoint = Endpoint(f"{host}:{port}", certificate.fingerprint)
        yield replace(facts.me(), endpoint=endpoint)


@asynccontextmanager
async def calling(
    signer: Signer,
    deployment: Deployment,
    clock: Clock,
    config: PeerConfig | None = None,
    *,
    connections: Connections | None = None,
) -> AsyncIterator[GrpcStoragePeers]:
    """Calls nodes in the name of `signer`."""
    connections = connections or Connections(config)
    entropy = SeededEntropy(f"caller {signer.address.hex()}")
    try:
        yield GrpcStoragePeers(RequestSigner(signer, deployment, clock, entropy), connections)
    finally:
        await connections.close()
