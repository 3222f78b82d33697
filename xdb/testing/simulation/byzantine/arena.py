"""A small world for one trial: honest files in it, and what must hold of them at any time."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from xdb.core.migration import MigrationConfig
from xdb.errors import NotFoundError, XdbError
from xdb.index.views import FileView
from xdb.model.health import Colour, Verdict
from xdb.model.ids import FileId, NodeId, Nonce
from xdb.node.owner import OwnerNode
from xdb.services.upload.request import UploadRequest
from xdb.testing.simulation.account import Account, Kept
from xdb.testing.simulation.invariants import check
from xdb.testing.simulation.nodes import SimulatedStorage
from xdb.testing.simulation.oversight import Oversight, ViolationError
from xdb.testing.simulation.run import Simulation
from xdb.testing.simulation.world import NAMESPACE, World, WorldConfig

T = TypeVar("T")

EPOCH = 600
LEAVES = 16
WORLD = WorldConfig(
    nodes=7,
    leaves=LEAVES,
    epoch=EPOCH,
    heartbeat=300,
    unreachable=900,
    migration=MigrationConfig(grace=300.0, restore_for=1200.0),
)
YEAR = 365 * 86400
SLICE = 64 << 10
SIZES = (70_000, 20_000, 100_000)
"""Bytes of the files: one slice or two."""


@dataclass
class Arena:
    """The world and its honest owner's files."""

    simulation: Simulation
    world: World
    files: dict[FileId, bytes] = field(default_factory=dict)
    reads: Counter[str] = field(default_factory=Counter)
    account: Account = field(default_factory=Account)

    def __post_init__(self) -> None:
        """Who looks on."""
        self.oversight = Oversight(self.world, self.account)

    @property
    def epoch(self) -> int:
        """The epoch now."""
        return self.world.chain.parameters.epoch_at(self.world.chain.time)

    @property
    def owner(self) -> OwnerNode:
        """The honest owner's node, which is up all the time."""
        node = self.world.owner.node
        if node is None:
            raise ViolationError("the owner node is down, and nobody stopped it")
        return node

    async def upload(self, count: int) -> None:
        """So many new files."""
        draw = self.simulation.tape.stream("files")
        for _ in range(count):
            number = len(self.files)
            data = draw.draw(SIZES[number % len(SIZES)])
            request = UploadRequest(
                namespace=NAMESPACE,
                name=f"file {number}",
                expiry=int(self.world.clock.wall()) + YEAR,
                upload=Nonce(draw.draw(16)),
                slice_size=SLICE,
            )
            view = await self._ask(_upload(request, data))
            self.files[view.record.file] = data
            self.account.acknowledged(view.record.file, Kept(data, view.record.expiry))

    async def read_all(self) -> None:
        """Every file, which must come back exactly, if at all."""
        for file in sorted(self.files):
            try:
                data = await self._ask(_read(file))
            except XdbError as error:
                self.reads["failed"] += 1
                self.simulation.record("owner", f"read failed: {type(error).__name__}")
                continue
            if data != self.files[file]:
                raise ViolationError(f"file {file.hex()} came back with other bytes")
            self.reads["exact"] += 1

    async def until_epoch(self, epoch: int, seconds: float = 0.0) -> None:
        """Waits until so many seconds after an epoch has begun."""
        until = self.world.chain.parameters.start_of(epoch) + seconds
        while self.world.clock.wall() < until:
            await self.world.clock.sleep(until - self.world.clock.wall())

    def busiest(self) -> SimulatedStorage:
        """The node that holds most slots."""
        return self._most(node for holders in self._holders() for node in holders)

    def companion(self, node: SimulatedStorage) -> SimulatedStorage:
        """The node that shares most files with another."""
        me = node.key.node
        return self._most(
            other
            for holders in self._holders()
            if me in holders
            for other in holders
            if other != me
        )

    def _holders(self) -> list[tuple[NodeId, ...]]:
        index = self.owner.following.index
        views = [index.file(file) for file in sorted(self.files)]
        return [view.record.holders for view in views if view is not None]

    def _most(self, nodes: Iterable[NodeId]) -> SimulatedStorage:
        ((node, _),) = Counter(nodes).most_common(1)
        return self.world.storage[node]

    def check(self, cheats: Iterable[NodeId] = ()) -> None:
        """ViolationError when an invariant is broken, or an honest node is blamed for anything."""
        allowed = set(cheats)
        self.account.harmed.update(dict.fromkeys(allowed))
        check(self.oversight)
        audits = self.owner.following.index.audits
        missed = {view.node for view in audits.listed(verdict=Verdict.MISSED).items}
        if blamed := missed - allowed:
            names = ", ".join(sorted(self.world.storage[node].name for node in blamed))
            raise ViolationError(f"honest nodes are said to have missed an epoch: {names}")

    def is_green_without(self, cheats: Iterable[NodeId]) -> bool:
        """Whether no cheat holds anything any more, and every file is as it should be."""
        without = set(cheats)
        return all(without.isdisjoint(each) for each in self._holders()) and self.is_green()

    def is_green(self, hidden: Iterable[NodeId] = ()) -> bool:
        """Whether every file is green, and every slot on its holder's disk.

        But for those holders whose disks say nothing.
        """
        passed_over = set(hidden)
        index = self.owner.following.index
        look = self.owner.care.viewpoint.look()
        for file in sorted(self.files):
            view = index.file(file)
            if view is None or look.colour(view) is not Colour.GREEN:
                return False
            for slot, node in enumerate(view.record.holders, start=1):
                if node in passed_over:
                    continue
                if not self.oversight.has(self.world.storage[node], view, slot):
                    return False
        return True

    async def _ask(self, work: Callable[[OwnerNode], Awaitable[T]]) -> T:
        async def ask() -> T:
            return await work(self.owner)

        life = self.world.owner.life
        if life is None:
            raise ViolationError("the owner node never started")
        return await life.start(ask(), name="request")


def _upload(request: UploadRequest, data: bytes) -> Callable[[OwnerNode], Awaitable[FileView]]:
    async def chunks() -> AsyncIterator[bytes]:
        yield data

    return lambda node: node.uploader.upload(request, chunks(), lambda _: None)


def _read(file: FileId) -> Callable[[OwnerNode], Awaitable[bytes]]:
    async def read(node: OwnerNode) -> bytes:
        view = node.following.index.file(file)
        if view is None:
            raise NotFoundError("it is not known")
        download = await node.downloader.open(view, 0, None)
        return b"".join([bytes(part) async for part in node.downloader.read(download)])

    return read
