"""The real nodes of a simulated network, each life of them an incarnation."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from xdb.core.migration import MigrationConfig
from xdb.errors import UnavailableError
from xdb.model.registry import Endpoint
from xdb.node.enrolment import Profile
from xdb.node.owner import OwnerNode, OwnerSettings, open_owner
from xdb.node.owner_care import CarePaces, CareSettings
from xdb.node.owner_ports import OwnerPorts
from xdb.node.storage import StorageNode, open_storage
from xdb.node.storage_ports import StoragePorts, StorageSettings
from xdb.peer.requests import RequestSigner
from xdb.peer.storage import GrpcStoragePeers
from xdb.runtime.logging import logger
from xdb.services.admission import Admission
from xdb.services.candidates import TrustConfig
from xdb.services.download import DownloadConfig
from xdb.services.repair.job import RepairConfig
from xdb.services.upload.sending import UploadConfig
from xdb.store.room import RoomConfig
from xdb.tasks.auditor import AuditConfig
from xdb.tasks.renewer import RenewConfig
from xdb.tasks.scrubber import ScrubConfig
from xdb.testing.compute import InlineCompute
from xdb.testing.disk import MemoryDisk
from xdb.testing.keys import NamedKey
from xdb.testing.kv import CrashingKeyValue
from xdb.testing.serving import served
from xdb.testing.simulation.chains import Chain
from xdb.testing.simulation.clock import SimulatedClock
from xdb.testing.simulation.incarnation import Durable, Incarnation
from xdb.testing.simulation.network import SimulatedNetwork, simulated_certificate
from xdb.testing.simulation.paces import Paces, slowed
from xdb.testing.simulation.run import Simulation
from xdb.testing.simulation.twist import HONEST, Twist

CAPACITY = 1 << 30
HOUR = 3600.0
RESTART = 10.0
"""Seconds after which a node that could not open is started again."""
MOST_LOST = 256
"""Writes that nobody synced, and that a power cut may take."""


def store() -> CrashingKeyValue:
    """An empty key-value store."""
    return CrashingKeyValue(most_lost=MOST_LOST)


@dataclass
class SimulatedStorage:
    """A storage node: what survives its lives, and the present one."""

    simulation: Simulation
    chain: Chain
    network: SimulatedNetwork
    name: str
    clock: SimulatedClock
    paces: Paces = field(default_factory=Paces)
    disk: MemoryDisk = field(default_factory=MemoryDisk)
    catalog: CrashingKeyValue = field(default_factory=store)
    views: CrashingKeyValue = field(default_factory=store)
    life: Incarnation | None = None
    node: StorageNode | None = None
    twist: Twist = HONEST  # takes effect when it starts

    @property
    def key(self) -> NamedKey:
        """The key of its id, which is its signer's, too."""
        return NamedKey(self.name)

    @property
    def address(self) -> str:
        """Where it is reached."""
        return f"{self.name}.example:7000"

    @property
    def is_up(self) -> bool:
        """Whether it runs."""
        return self.life is not None and self.life.alive

    async def start(self) -> None:
        """A new life from what the last one left; returns when it serves, or is down again.

        Again after a while when the chain does not answer, as whoever watches a process does.
        """
        entropy, kept = self.simulation.tape.stream(self.name), self._kept()
        while self.node is None:
            life = self.life = Incarnation(self.name, kept, entropy)
            try:
                self.node = await life.start(self._open(life), name="opening")
            except UnavailableError:
                await self.crash()
                await self.clock.sleep(RESTART)
            except asyncio.CancelledError:
                if life.alive:
                    raise
                return
        life.start(self._serve(self.node), name="serving")
        slowed(self.node.tasks, self.paces)
        self.node.start_tasks()
        self.simulation.record(self.name, "up")

    async def crash(self) -> None:
        """Power is lost."""
        if self.life is None:
            return
        self.life.fence()
        self.node = None
        self.network.kill(self.address)
        self.life.crash()
        await self.life.ended()
        self.simulation.record(self.name, "down")

    def wipe(self) -> None:
        """Another disk, while it is down."""
        self.disk, self.catalog, self.views = MemoryDisk(), store(), store()
        self.chain.forget(self.name)

    def forget(self) -> None:
        """The catalog and the views are gone, while it is down; the disk is not."""
        self.catalog, self.views = store(), store()

    def _kept(self) -> list[Durable]:
        return [self.disk, self.catalog, self.views]

    async def _open(self, life: Incarnation) -> StorageNode:
        tape, key = self.simulation.tape, self.key
        certificate = simulated_certificate(self.address)
        ports = StoragePorts(
            clock=life.guard(self.clock),
            entropy=tape.stream(f"{self.name}/entropy"),
            spawn=life,
            compute=InlineCompute(),
            disk=life.guard(self.disk),
            catalog=life.guard(self.catalog),
            views=life.guard(self.views),
            backend=life.guard(self.chain.backend(self.name, self.clock)),
            signer=key,
            identity=key,
            log=logger(self.name),
        )
        profile = Profile(
            key.address, Endpoint(self.address, certificate.fingerprint), self.name, "", CAPACITY
        )
        settings = StorageSettings(
            node=key.node,
            profile=profile,
            room=RoomConfig(CAPACITY, reserve=0),
            admission=Admission(None),
            collector=self.paces.collector,
            scrub=ScrubConfig(
                within=self.paces.scrub_within,
                restore_within=self.paces.restore_within,
                pause=self.paces.scrubber,
            ),
            version="simulated",
        )
        return self.twist.node(await open_storage(self.twist.ports(ports), settings))

    async def _serve(self, node: StorageNode) -> None:
        async with served(
            node.custody,
            listen=self.address,
            certificate=simulated_certificate(self.address),
            by=self.network.serve,
            probing=node.probing,
        ):
            while True:
                await self.clock.sleep(HOUR)


@dataclass
class SimulatedOwner:
    """The owner node of a simulated network."""

    simulation: Simulation
    chain: Chain
    network: SimulatedNetwork
    clock: SimulatedClock
    paces: Paces = field(default_factory=Paces)
    journal: CrashingKeyValue = field(default_factory=store)
    views: CrashingKeyValue = field(default_factory=store)
    life: Incarnation | None = None
    node: OwnerNode | None = None
    starts: int = 0
    migration: MigrationConfig = field(default_factory=MigrationConfig)

    @property
    def key(self) -> NamedKey:
        """The owner's."""
        return NamedKey("owner")

    async def start(self) -> None:
        """A new life."""
        self.starts += 1
        entropy = self.simulation.tape.stream("owner")
        life = self.life = Incarnation("owner", [self.journal, self.views], entropy)
        try:
            self.node = await life.start(self._open(life), name="opening")
        except asyncio.CancelledError:
            if life.alive:
                raise
            return
        self.node.start_tasks()
        self.simulation.record("owner", "up")

    @property
    def is_up(self) -> bool:
        """Whether it runs."""
        return self.life is not None and self.life.alive

    async def crash(self) -> None:
        """Power is lost."""
        if self.life is not None:
            self.node = None
            self.life.crash()
            await self.life.ended()
            self.simulation.record("owner", "down")

    async def _open(self, life: Incarnation) -> OwnerNode:
        tape, key = self.simulation.tape, self.key
        clock: Any = life.guard(self.clock)
        signer = RequestSigner(
            key, self.chain.deployment, clock, tape.stream(f"owner/requests {self.starts}")
        )
        ports = OwnerPorts(
            clock=clock,
            entropy=tape.stream("owner/entropy"),
            spawn=life,
            compute=InlineCompute(),
            journal=life.guard(self.journal),
            views=life.guard(self.views),
            backend=life.guard(self.chain.backend("owner", self.clock)),
            peers=life.guard(GrpcStoragePeers(signer, self.network.connections("owner"))),
            key=key,
            log=logger("owner"),
        )
        settings = OwnerSettings(
            trust=TrustConfig(),
            upload=UploadConfig(),
            download=DownloadConfig(),
            care=CareSettings(AuditConfig(), self.migration, RepairConfig()),
            paces=CarePaces(self.paces.auditor, self.paces.health, self.paces.migrator),
            renew=RenewConfig(),
            renewer=self.paces.renewer,
            journal=self.paces.journal,
        )
        return await open_owner(ports, settings)
