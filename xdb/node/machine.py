"""This machine, as the daemons use it."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from xdb.config.sections import KeyConfig, KeyValueKind, ProcessConfig, ServerConfig
from xdb.model.ids import Address, Deployment
from xdb.model.registry import Endpoint
from xdb.node.claim import Owner, claimed
from xdb.peer.certificates import Certificate, open_certificate, read_certificate
from xdb.peer.config import PeerConfig
from xdb.peer.connections import Connections
from xdb.ports.kv import KeyValue
from xdb.rpc.authorization import Doorkeeper, Replays
from xdb.rpc.limits import Limits
from xdb.rpc.server import ServerSettings
from xdb.runtime.clock import SystemClock
from xdb.runtime.compute import LocalCompute
from xdb.runtime.entropy import SystemEntropy
from xdb.runtime.logging import Log, logger
from xdb.runtime.spawn import TaskSpawn
from xdb.store.disk import LocalDisk
from xdb.store.keystore import LocalKey, read_keystore
from xdb.store.kv import open_kv
from xdb.store.password import read_password

CERTIFICATE, NEXT_CERTIFICATE = "certificate.pem", "certificate.next.pem"
CHAIN, VIEWS, CATALOG, JOURNAL, STORE = "chain", "views", "catalog", "journal", "store"
"""What a data directory has in it, by role."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Clock, randomness, processors and tasks of one process, and its data directory."""

    data: Path
    kv: KeyValueKind
    clock: SystemClock
    entropy: SystemEntropy
    compute: LocalCompute
    spawn: TaskSpawn
    resources: AsyncExitStack  # closed when all tasks have ended
    log: Log

    def open_kv(self, name: str) -> KeyValue:
        """A key-value store of the data directory; it is closed with the machine."""
        store = open_kv(self.data / name, self.kv)
        self.resources.callback(store.close)
        return store

    def open_disk(self) -> LocalDisk:
        """The part of the data directory where replicas are."""
        disk = LocalDisk(self.data / STORE, self.compute)
        self.resources.callback(disk.close)
        return disk

    def connections(self, config: PeerConfig | None = None) -> Connections:
        """Connections to other nodes."""
        made = Connections(config)
        self.resources.push_async_callback(made.close)
        return made

    def certificate(self) -> Certificate:
        """The transport certificate, made at the first start."""
        return open_certificate(self.data / CERTIFICATE)

    def next_certificate(self) -> Certificate | None:
        """The one that will replace it, when its operator prepared one."""
        path = self.data / NEXT_CERTIFICATE
        return read_certificate(path) if path.exists() else None

    def server_settings(
        self, server: ServerConfig, limits: Limits, certificate: Certificate
    ) -> ServerSettings:
        """Where to listen, for methods that anybody may call."""
        return ServerSettings(server.listen, certificate, self.clock, self.entropy, limits)

    def doorkeeper(self, audience: Address, deployment: Deployment, limits: Limits) -> Doorkeeper:
        """Knows who signs requests to `audience`."""
        return Doorkeeper(audience, deployment, self.clock, Replays(limits.replays))


@asynccontextmanager
async def machine(
    data: Path, kv: KeyValueKind, process: ProcessConfig, owner: Owner
) -> AsyncIterator[Machine]:
    """The machine, with `data` claimed for `owner`. Tasks end first, then what they used."""
    async with AsyncExitStack() as resources:
        resources.enter_context(claimed(data, owner))
        compute = LocalCompute(process.workers or os.cpu_count() or 1, process.threads)
        resources.callback(compute.close)
        async with TaskSpawn() as spawn:
            yield Machine(
                data=data,
                kv=kv,
                clock=SystemClock(),
                entropy=SystemEntropy(),
                compute=compute,
                spawn=spawn,
                resources=resources,
                log=logger(owner.role),
            )


def owner_of(role: str, identity: Address, deployment: Deployment) -> Owner:
    """Whose data directory it is."""
    return Owner(role, identity.hex(), deployment.chain.hex(), deployment.contract.hex())


def open_key(config: KeyConfig) -> LocalKey:
    """The key in a keystore; errors say what is wrong with which file."""
    return LocalKey(read_keystore(config.keystore, read_password(config.password_file)))


def endpoint_of(
    server: ServerConfig, certificate: Certificate, following: Certificate | None = None
) -> Endpoint:
    """What others need in order to reach this node, now and when `following` is its certificate."""
    after = None if following is None else following.fingerprint
    return Endpoint(server.address, certificate.fingerprint, after)
