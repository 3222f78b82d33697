"""A dishonest owner: a key, files made for it, real peers, and what comes of its requests."""

from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from xdb.core.rules.state import State
from xdb.errors import XdbError
from xdb.model.calls import Call, Publish
from xdb.model.ids import Digest, NodeId
from xdb.model.refusal import Refusal
from xdb.model.registry import Holder, NodeRecord
from xdb.peer.connections import Connections
from xdb.peer.requests import RequestSigner
from xdb.peer.storage import GrpcStoragePeer, GrpcStoragePeers
from xdb.ports.blockchain import Registry
from xdb.testing.custody import SealedFile
from xdb.testing.keys import NamedKey
from xdb.testing.registry import namespace_call
from xdb.testing.simulation.byzantine.strategy import Plot
from xdb.testing.simulation.nodes import SimulatedStorage
from xdb.testing.simulation.oversight import ViolationError

NAME = "mallory"
MONTH = 30 * 86400


@dataclass(frozen=True, slots=True)
class Mallory:
    """Her identity and her way to the network. Nothing here breaks a rule; strategies do."""

    plot: Plot
    key: NamedKey
    connections: Connections
    signer: RequestSigner
    registry: Registry

    @property
    def nodes(self) -> list[SimulatedStorage]:
        """All storage nodes, which are honest."""
        return list(self.plot.world.storage.values())

    @property
    def expiry(self) -> int:
        """A month ahead."""
        return self.plot.world.chain.time + MONTH

    def record(self, node: SimulatedStorage) -> NodeRecord:
        """A node as the chain has it."""
        found = State(self.plot.world.chain.state).node(NodeId(node.key.node))
        if found is None:
            raise ViolationError(f"{node.name} is not registered")
        return found

    def peer(self, node: SimulatedStorage) -> GrpcStoragePeer:
        """The way to a node."""
        return GrpcStoragePeers(self.signer, self.connections).peer(self.record(node))

    def file(self, title: str, size: int = 20_000) -> SealedFile:
        """A file of hers."""
        data = self.plot.entropy.draw(size)
        chain = self.plot.world.chain
        leaf_size = chain.parameters.leaf_size
        return SealedFile(chain.deployment, self.key, title, data, leaf_size=leaf_size)

    async def push(self, node: SimulatedStorage, file: SealedFile, slot: int) -> None:
        """All replicas of a slot, as they should be."""
        peer = self.peer(node)
        pairs = zip(file.replicas(slot), file.commitments(slot), strict=True)
        for piece, (data, commitment) in enumerate(pairs):
            await peer.push(file.ref(slot), piece, commitment, data)

    async def store(
        self, file: SealedFile, nodes: Sequence[SimulatedStorage]
    ) -> tuple[Holder, ...]:
        """All slots, one on each node; the receipts."""
        holders = []
        for slot, node in enumerate(nodes, start=1):
            await self.push(node, file, slot)
            peer = self.peer(node)
            holders.append(await peer.accept(file.ref(slot), file.manifest, self.expiry, 1))
        return tuple(holders)

    async def publish(self, file: SealedFile, nodes: Sequence[SimulatedStorage]) -> None:
        """A file of hers with everything in order."""
        holders = await self.store(file, nodes)
        await self.registry.submit(Publish((file.new(holders, self.expiry),)))

    async def refused(self, deed: str, attempt: Awaitable[object], *kinds: type[XdbError]) -> None:
        """An attempt that must be refused with one of these errors; counted as `deed`."""
        try:
            await attempt
        except kinds:
            self.plot.deeds[deed] += 1
        except XdbError as error:
            kind = type(error).__name__
            raise ViolationError(f"{deed}: refused with {kind}: {error}") from error
        else:
            raise ViolationError(f"{deed}: it was taken")

    async def refused_call(self, deed: str, call: Call, *refusals: Refusal) -> None:
        """A call that the chain must refuse for one of these reasons."""
        try:
            await self.registry.submit(call)
        except XdbError as error:
            found = getattr(error, "refusal", None)
            if found not in refusals:
                raise ViolationError(f"{deed}: refused with {found}: {error}") from error
            self.plot.deeds[deed] += 1
        else:
            raise ViolationError(f"{deed}: it was taken")

    def check_stored(self, expected: dict[str, int]) -> None:
        """ViolationError unless her bytes on every node are those; 0 where none are named."""
        for node in self.nodes:
            if node.node is None:
                raise ViolationError(f"{node.name} is down")
            used = node.node.store.room.used_by(self.key.address)
            if used != expected.get(node.name, 0):
                raise ViolationError(
                    f"{node.name} keeps {used} bytes of hers, not {expected.get(node.name, 0)}"
                )
            if left := node.disk.files("staging"):
                raise ViolationError(f"{node.name} has staging files left: {left}")


@asynccontextmanager
async def mallory(plot: Plot) -> AsyncIterator[Mallory]:
    """Her, with a namespace; her connections end with the block."""
    world, key = plot.world, NamedKey(NAME)
    connections = world.network.connections(f"{NAME}.example")
    signer = RequestSigner(
        key, world.chain.deployment, world.clock, plot.entropy.stream("requests")
    )
    registry = world.chain.backend(NAME, world.clock).registry(key, plot.entropy.stream("calls"))
    await registry.submit(namespace_call("ns"))
    try:
        yield Mallory(plot, key, connections, signer, registry)
    finally:
        await connections.close()


def other_digest(digest: Digest) -> Digest:
    """One with a bit changed."""
    return Digest(bytes([digest[0] ^ 1]) + digest[1:])
