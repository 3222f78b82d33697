import asyncio
import os
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from hashlib import sha256

import pytest

from xdb.blockchain.waiting import within
from xdb.core.migration import MigrationConfig
from xdb.errors import UnavailableError
from xdb.model.registry import Endpoint, Parameters
from xdb.node.enrolment import Profile
from xdb.node.owner import OwnerSettings, open_owner
from xdb.node.owner_care import CarePaces, CareSettings
from xdb.node.owner_ports import OwnerPorts
from xdb.node.storage import open_storage
from xdb.node.storage_ports import StoragePorts, StorageSettings
from xdb.runtime.logging import logger
from xdb.runtime.spawn import TaskSpawn
from xdb.services.admission import Admission
from xdb.services.candidates import TrustConfig
from xdb.services.download import DownloadConfig
from xdb.services.probing import Probing
from xdb.services.repair.job import RepairConfig
from xdb.services.upload.sending import UploadConfig
from xdb.store.kv_memory import MemoryKeyValue
from xdb.store.room import RoomConfig
from xdb.tasks.auditor import AuditConfig
from xdb.tasks.scrubber import ScrubConfig
from xdb.testing.chain import MemoryChain
from xdb.testing.clock import FakeClock
from xdb.testing.compute import InlineCompute
from xdb.testing.disk import MemoryDisk
from xdb.testing.entropy import SeededEntropy
from xdb.testing.keys import NamedKey

START = 1_800_000_000
CAPACITY = 1 << 30


@pytest.fixture(autouse=True)
def _same_umask():
    """What `main` changes for its process is put back."""
    before = os.umask(0o077)
    os.umask(before)
    yield
    os.umask(before)


@dataclass
class Backend:
    """A chain in memory as a node's backend; a test cuts it off."""

    chain: MemoryChain
    up: bool = True
    answers: bool = True

    @property
    def deployment(self):
        return self.chain.deployment

    @property
    def parameters(self):
        return self.chain.parameters

    def registry(self, signer, entropy):
        return Registry(self, self.chain.registry(signer, entropy))

    def events(self):
        return self.chain.events()

    async def run(self):
        await FakeClock().sleep(1)  # there is nothing to keep up to date

    async def tip(self):
        if not self.up:
            raise UnavailableError("no chain server answers")
        return self.chain.head.height


@dataclass
class Registry:
    """A registry that gives no answer while its backend does not."""

    backend: Backend
    registry: object

    @property
    def parameters(self):
        return self.registry.parameters

    async def submit(self, call):
        if not self.backend.answers:
            await asyncio.Event().wait()
        return await self.registry.submit(call)


@dataclass
class Peers:
    """Nodes of the world, called directly in one identity's name."""

    world: "World"
    caller: NamedKey

    def peer(self, record):
        return Peer(self.world.nodes[record.node].custody, self.caller.address)


@dataclass
class Peer:
    custody: object
    caller: bytes

    async def push(self, slot, piece, commitment, sealed):
        await self.custody.push(self.caller, slot, piece, commitment, bytes(sealed))

    async def accept(self, slot, manifest, expiry, version):
        digest = sha256(manifest).digest()
        return await self.custody.accept(self.caller, slot, digest, manifest, expiry, version)

    async def pull(self, key, offset=0, length=0):
        return await self.custody.pull(self.caller, key, offset, length)

    async def pull_manifest(self, file, slot):
        return await self.custody.pull_manifest(self.caller, file, slot)

    async def status(self):
        return await self.custody.status(self.caller)

    async def leaf(self, key, leaf):
        return await self.probing.leaf(self.caller, key, leaf)

    async def damaged(self, after=b"", limit=0):
        return await self.probing.damaged(self.caller, after, limit)

    @property
    def probing(self):
        return Probing(self.custody, self.custody.compute)


@dataclass
class Place:
    """What of a node survives its restart."""

    disk: MemoryDisk = field(default_factory=MemoryDisk)
    catalog: MemoryKeyValue = field(default_factory=MemoryKeyValue)
    views: MemoryKeyValue = field(default_factory=MemoryKeyValue)


@dataclass
class World:
    """One chain, one clock, and nodes made of nothing but ports."""

    stack: AsyncExitStack
    clock: FakeClock
    chain: MemoryChain
    nodes: dict = field(default_factory=dict)
    starts: int = 0

    def entropy(self, name):
        """Another stream at every start: nothing random is ever drawn twice."""
        self.starts += 1
        return SeededEntropy(f"{name} {self.starts}")

    async def spawn(self):
        return await self.stack.enter_async_context(TaskSpawn())

    async def storage(  # noqa: PLR0913  # what tests vary
        self,
        name,
        place=None,
        *,
        backend=None,
        identity=True,
        signer="signer",
        seeds=False,
        **profile,
    ):
        key, signer = NamedKey(name), NamedKey(f"{name} {signer}")
        place = place or Place()
        values = {
            "signer": signer.address,
            "endpoint": Endpoint(f"{name}:7400", bytes(32)),
            "operator": name,
            "zone": "",
            "capacity": CAPACITY,
        }
        ports = StoragePorts(
            clock=self.clock,
            entropy=self.entropy(name),
            spawn=await self.spawn(),
            compute=InlineCompute(),
            disk=place.disk,
            catalog=place.catalog,
            views=place.views,
            backend=backend or Backend(self.chain),
            signer=signer,
            identity=key if identity else None,
            log=logger("test"),
        )
        settings = StorageSettings(
            node=key.node,
            profile=Profile(**(values | profile)),
            room=RoomConfig(CAPACITY, reserve=0),
            admission=Admission(None),
            collector=600.0,
            scrub=ScrubConfig(),
            version="test",
            seeds=seeds,
        )
        node = await open_storage(ports, settings)
        self.nodes[key.node] = node
        return node

    async def owner(self, name="owner"):
        key = NamedKey(name)
        ports = OwnerPorts(
            clock=self.clock,
            entropy=self.entropy(name),
            spawn=await self.spawn(),
            compute=InlineCompute(),
            journal=MemoryKeyValue(),
            views=MemoryKeyValue(),
            backend=Backend(self.chain),
            peers=Peers(self, key),
            key=key,
            log=logger("test"),
        )
        settings = OwnerSettings(
            TrustConfig(),
            UploadConfig(),
            DownloadConfig(),
            CareSettings(AuditConfig(), MigrationConfig(), RepairConfig()),
            CarePaces(60.0, 60.0, 60.0),
            3600.0,
        )
        return await open_owner(ports, settings)

    async def settled(self, node):
        """The node's index knows all of the chain."""
        await within(self.clock, 1, node.following.index.reached(self.chain.head.height))


@pytest.fixture
async def world():
    clock = FakeClock(START)
    chain = MemoryChain(Parameters(start=START), clock)
    chain.tick()
    async with AsyncExitStack() as stack:
        yield World(stack, clock, chain)


@pytest.fixture
def place():
    return Place()


@pytest.fixture
def backend(world):
    return Backend(world.chain)
