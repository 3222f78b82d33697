"""A network in one process: real services over fake adapters."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256

from xdb.core.keyring import NONCE, encrypt_label, namespace_tag
from xdb.errors import UnavailableError
from xdb.index.index import Index
from xdb.model.calls import CreateNamespace, Heartbeat, RegisterNode
from xdb.model.ids import Digest, FileId, NodeId
from xdb.model.registry import (
    Coding,
    Endpoint,
    Holder,
    NodeRecord,
    Parameters,
    ProofScheme,
    Redundancy,
)
from xdb.model.storage import Commitment, Damage, LeafShown, NodeStatus, ReplicaKey, SlotRef
from xdb.ports.compute import Buffer
from xdb.runtime.spawn import TaskSpawn
from xdb.services.admission import Admission
from xdb.services.custody import Custody
from xdb.services.facts import Facts
from xdb.services.probing import Probing
from xdb.services.receipts import ReceiptMaker
from xdb.store.kv_memory import MemoryKeyValue
from xdb.store.recovery import open_store
from xdb.store.room import RoomConfig
from xdb.testing.chain import MemoryChain
from xdb.testing.clock import FakeClock
from xdb.testing.compute import InlineCompute
from xdb.testing.disk import MemoryDisk
from xdb.testing.entropy import SeededEntropy
from xdb.testing.keys import NamedKey

START = 1_800_000_000
CAPACITY = 1 << 30
Fault = Callable[[str, NodeId], None]
"""Called before every call to a node with its name; raises to inject a fault."""


def no_fault(_call: str, _node: NodeId) -> None:
    """Everything works."""


@dataclass
class Member:
    """A storage node: what survives a restart, and the service running on it."""

    key: NamedKey
    custody: Custody
    disk: MemoryDisk
    kv: MemoryKeyValue
    up: bool = True

    @property
    def node(self) -> NodeId:
        """Its id."""
        return self.key.node

    @property
    def probing(self) -> Probing:
        """What it shows of what it keeps."""
        return Probing(self.custody, self.custody.compute)


@dataclass(frozen=True)
class LocalPeer:
    """`StoragePeer` that calls a member's custody directly, as one caller."""

    network: "Network"
    node: NodeId
    caller: NamedKey

    def _member(self, call: str) -> Member:
        self.network.calls.append((call, self.node))
        self.network.fault(call, self.node)
        member = self.network.members[self.node]
        if not member.up:
            raise UnavailableError(f"node {self.node.hex()} does not answer")
        return member

    async def push(self, slot: SlotRef, piece: int, commitment: Commitment, sealed: Buffer) -> None:
        """See `StoragePeer`."""
        custody = self._member("push").custody
        await custody.push(self.caller.address, slot, piece, commitment, bytes(sealed))

    async def accept(self, slot: SlotRef, manifest: bytes, expiry: int, version: int) -> Holder:
        """See `StoragePeer`."""
        custody = self._member("accept").custody
        digest = Digest(sha256(manifest).digest())
        return await custody.accept(self.caller.address, slot, digest, manifest, expiry, version)

    async def pull(self, key: ReplicaKey, offset: int = 0, length: int = 0) -> bytes:
        """See `StoragePeer`."""
        custody = self._member("pull").custody
        data = await custody.pull(self.caller.address, key, offset, length)
        return self.network.tamper(data, self.node)

    async def pull_manifest(self, file: FileId, slot: int) -> bytes:
        """See `StoragePeer`."""
        custody = self._member("pull_manifest").custody
        data = await custody.pull_manifest(self.caller.address, file, slot)
        return self.network.tamper(data, self.node)

    async def status(self) -> NodeStatus:
        """See `StoragePeer`."""
        return await self._member("status").custody.status(self.caller.address)

    async def leaf(self, key: ReplicaKey, leaf: int) -> LeafShown:
        """See `StoragePeer`."""
        probing = self._member("leaf").probing
        shown = await probing.leaf(self.caller.address, key, leaf)
        return replace(shown, data=self.network.tamper(shown.data, self.node))

    async def damaged(self, after: bytes = b"", limit: int = 0) -> tuple[list[Damage], bytes]:
        """See `StoragePeer`."""
        return await self._member("damaged").probing.damaged(self.caller.address, after, limit)


@dataclass(frozen=True)
class LocalPeers:
    """`StoragePeers` of one caller."""

    network: "Network"
    caller: NamedKey

    def peer(self, node: NodeRecord) -> LocalPeer:
        """See `StoragePeers`."""
        return LocalPeer(self.network, node.node, self.caller)


@dataclass
class Network:
    """Chain, index and members. `fault` and `tamper` stand between the owner and nodes."""

    chain: MemoryChain
    clock: FakeClock
    index: Index
    spawn: TaskSpawn
    owner: NamedKey = field(default_factory=lambda: NamedKey("owner"))
    entropy: SeededEntropy = field(default_factory=SeededEntropy)
    members: dict[NodeId, Member] = field(default_factory=dict)
    calls: list[tuple[str, NodeId]] = field(default_factory=list)
    fault: Fault = no_fault
    tamper: Callable[[bytes, NodeId], bytes] = lambda data, _node: data

    async def add_member(self, name: str, capacity: int = CAPACITY) -> Member:
        """A storage node, registered and heard of."""
        key = NamedKey(name)
        self.chain.call(
            key.address,
            RegisterNode(
                signer=key.address,
                endpoint=Endpoint(f"{name}.example:7000", Digest(bytes(32))),
                operator=name,
                zone="",
                capacity=capacity,
            ),
        )
        disk, kv = MemoryDisk(), MemoryKeyValue()
        member = Member(key, await self._custody(key, disk, kv, capacity), disk, kv)
        self.members[key.node] = member
        await self.caught_up()
        return member

    async def _custody(
        self, key: NamedKey, disk: MemoryDisk, kv: MemoryKeyValue, capacity: int
    ) -> Custody:
        parameters = self.chain.parameters
        store, _ = await open_store(
            disk,
            kv,
            InlineCompute(),
            RoomConfig(capacity=capacity, reserve=0),
            parameters.leaf_size,
            lambda: self.index.head.time,
        )
        return Custody(
            facts=Facts(key.node, self.chain.deployment, parameters, self.index),
            store=store,
            admission=Admission(None),
            receipts=ReceiptMaker(key.node, self.chain.deployment, key, parameters.leaf_size),
            compute=InlineCompute(),
            clock=self.clock,
            version="test",
            longest=parameters.max_lifetime,
        )

    async def restart(self, node: NodeId) -> None:
        """Ends a member and starts it again from its disk."""
        member = self.members[node]
        member.custody = await self._custody(member.key, member.disk, member.kv, CAPACITY)
        member.up = True

    def peers(self, caller: NamedKey | None = None) -> LocalPeers:
        """The members as a caller reaches them, by default the owner."""
        return LocalPeers(self, caller or self.owner)

    def heartbeats(self) -> None:
        """Every member that is up says so."""
        for member in self.members.values():
            if member.up:
                self.chain.call(member.key.address, Heartbeat(member.node))

    async def caught_up(self) -> None:
        """Returns when the index knows all of the chain."""
        await self.index.reached(self.chain.head.height)

    async def create_namespace(self, name: str, total: int = 3, required: int = 1) -> None:
        """A namespace of the owner: copies, or erasure-coded when more than 1 is required."""
        coding = Coding.COPIES if required == 1 else Coding.ERASURE
        tag = namespace_tag(self.owner, name)
        label = encrypt_label(self.owner, tag, self.entropy.draw(NONCE), name, "")
        redundancy = Redundancy(coding, required, total)
        self.chain.call(
            self.owner.address, CreateNamespace(tag, label, redundancy, ProofScheme.MERKLE)
        )
        await self.caught_up()


@asynccontextmanager
async def network(
    members: int = 4, parameters: Parameters | None = None, *, lag: int = 0
) -> AsyncIterator[Network]:
    """A running network of so many nodes, its owner and namespace `ns` of three copies.

    A block is final `lag` blocks later.
    """
    clock = FakeClock(START)
    chain = MemoryChain(parameters or Parameters(start=START), clock, lag=lag)
    chain.tick()
    index = Index(MemoryKeyValue(), chain.parameters, chain.deployment)

    async def feed() -> None:
        async for item in chain.follow(0):
            await index.apply(item)

    async with TaskSpawn() as spawn:
        spawn.start(feed(), name="index")
        made = Network(chain, clock, index, spawn)
        for number in range(members):
            await made.add_member(f"node-{number}")
        await made.create_namespace("ns", min(3, members))
        yield made


async def until_done(clock: FakeClock, work: asyncio.Future[object], steps: int = 10_000) -> None:
    """Moves the clock on while `work` waits for it."""
    for _ in range(steps):
        if work.done():
            return
        await clock.advance(0.5)
    raise TimeoutError("the work never ends")
