"""One life of a simulated network: a workload, faults within what redundancy bears, invariants.

Safety phase: operations and faults as the seed draws them. A fault that may cost a slot is
drawn only while nothing is missing, seen from above, so that never more than `copies - 1`
slots of a file are gone. Then everything is healed, and the liveness phase begins: within a
bounded time every file is green, every replica right, every byte there.

Checked all the time: a read gives exactly the acknowledged bytes or an error, the holders of
a file are different nodes, and no node is said to have failed that lost nothing.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from xdb.errors import NotFoundError, UnavailableError, XdbError
from xdb.index.views import FileStatus, FileView
from xdb.model.health import Verdict
from xdb.model.ids import FileId, Nonce
from xdb.node.owner import OwnerNode
from xdb.services.catalog import FileRefById
from xdb.services.upload.request import UploadRequest
from xdb.testing.simulation.draws import below, fraction
from xdb.testing.simulation.fate import Fate
from xdb.testing.simulation.oversight import ViolationError, check, is_whole
from xdb.testing.simulation.run import Simulation
from xdb.testing.simulation.world import NAMESPACE, World, WorldConfig, running

T = TypeVar("T")

HOUR = 3600.0
YEAR = 365 * 86400
SLICE = 64 << 10
STATES = (
    "a file was uploaded",
    "an upload failed",
    "a file was read while a node was down",
    "a read failed",
    "a file was deleted",
    "a node lost power",
    "a node lost power while an upload ran",
    "a disk was replaced",
    "a bit flipped",
    "a node was cut off",
    "the owner lost power",
    "a slot moved",
    "a node admitted a loss",
    "a node missed an epoch",
)


@dataclass(frozen=True, slots=True)
class LifeConfig:
    """How long a life is, in virtual hours, and how much happens in it."""

    hours: int = 12
    healing: int = 12
    operations: int = 20
    faults: int = 8
    world: WorldConfig = field(default_factory=WorldConfig)


@dataclass
class Life:
    """What has happened so far. `files` are those that were acknowledged."""

    simulation: Simulation
    world: World
    config: LifeConfig
    files: dict[FileId, bytes] = field(default_factory=dict)
    operations: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Its fate."""
        self.fate = Fate(self.simulation, self.world, self.files)

    # ------------------------------------------------------------ phases

    async def run(self) -> None:
        """Both phases."""
        await self.world.clock.sleep(60)
        await self.upload()  # there is something to lose from the start
        safety = self.config.hours * HOUR
        spawn = [
            self._phase("work", self.config.operations, safety, self._operations()),
            self._phase("fate", self.config.faults, safety, self.fate.choices()),
        ]
        await asyncio.gather(*spawn)
        await self.fate.heal()
        await self._live()

    async def _phase(
        self, name: str, count: int, seconds: float, choices: list[Callable[[], Awaitable[None]]]
    ) -> None:
        draw = self.simulation.tape.stream(name)
        for _ in range(count):
            await self.world.clock.sleep(2 * fraction(draw) * seconds / count)
            choice = choices[below(draw, len(choices))]
            await choice()
            self._check()

    def _operations(self) -> list[Callable[[], Awaitable[None]]]:
        return [self.upload, self.upload, self.read, self.read, self.delete]

    # ------------------------------------------------------------ operations

    async def upload(self) -> None:
        """A new file."""
        draw = self.simulation.tape.stream("files")
        data = draw.draw(below(draw, 3 * SLICE))
        request = UploadRequest(
            namespace=NAMESPACE,
            name=f"file {self.operations.total()}",
            expiry=int(self.world.clock.wall()) + YEAR,
            upload=Nonce(draw.draw(16)),
            slice_size=SLICE,
        )
        self.fate.uploading += 1
        try:
            view = await self._owner(
                lambda node: node.uploader.upload(request, _chunks(data), lambda _: None)
            )
        except XdbError as error:
            self.fate.reached("an upload failed")
            self.simulation.record("owner", f"upload failed: {type(error).__name__}")
        else:
            self.files[view.record.file] = data
            self.fate.reached("a file was uploaded")
        finally:
            self.fate.uploading -= 1
        self.operations["upload"] += 1

    async def read(self) -> None:
        """A file, which must be right if it comes."""
        if not self.files:
            return
        draw = self.simulation.tape.stream("reads")
        file = sorted(self.files)[below(draw, len(self.files))]
        try:
            data = await self._read(file)
        except XdbError as error:
            self.fate.reached("a read failed")
            self.simulation.record("owner", f"read failed: {type(error).__name__}")
        else:
            self._compare(file, data)
            if not all(node.is_up for node in self.world.storage.values()):
                self.fate.reached("a file was read while a node was down")
        self.operations["read"] += 1

    async def delete(self) -> None:
        """The end of a file."""
        if len(self.files) < 2:  # noqa: PLR2004  # something must be left to lose
            return
        draw = self.simulation.tape.stream("deletes")
        file = sorted(self.files)[below(draw, len(self.files))]
        view = self._view(file)
        if view is None:
            return
        data = self.files.pop(file)  # from now on it may be gone
        try:
            await self._owner(lambda node: node.catalog.delete(FileRefById(file)))
        except XdbError:
            self.simulation.record("owner", f"delete failed with {len(data)} bytes")
        else:
            self.fate.reached("a file was deleted")
        self.operations["delete"] += 1

    # ------------------------------------------------------------ the end

    async def _live(self) -> None:
        for _ in range(self.config.healing):
            await self.world.clock.sleep(HOUR)
            if self._is_whole():
                break
        else:
            raise ViolationError(f"not whole {self.config.healing} hours after the last fault")
        for file in sorted(self.files):
            self._compare(file, await self._read(file))
        self._check()
        self._note_reached()

    # ------------------------------------------------------------ invariants

    def _check(self) -> None:
        check(self.world, self.files, self.fate.harmed)

    def _is_whole(self) -> bool:
        return is_whole(self.world, self.files)

    def _compare(self, file: FileId, data: bytes) -> None:
        if data != self.files[file]:
            raise ViolationError(f"file {file.hex()} came back with other bytes")

    def _note_reached(self) -> None:
        owner = self.world.owner.node
        if owner is None:
            return
        index = owner.following.index
        for verdict, name in (
            (Verdict.FAILED, "a node admitted a loss"),
            (Verdict.MISSED, "a node missed an epoch"),
        ):
            if index.audits.listed(verdict=verdict).items:
                self.fate.reached(name)
        if index.migrations.listed().items:
            self.fate.reached("a slot moved")

    # ------------------------------------------------------------ inside

    async def _owner(self, work: Callable[[OwnerNode], Awaitable[T]]) -> T:
        """What the owner node answers; UnavailableError when it is down, or goes down."""
        owner = self.world.owner
        if owner.node is None or owner.life is None:
            raise UnavailableError("the owner node is down")

        async def ask(node: OwnerNode) -> T:
            return await work(node)

        life = owner.life
        try:
            return await life.start(ask(owner.node), name="request")
        except asyncio.CancelledError:
            if life.alive:
                raise
            raise UnavailableError("the owner node went down") from None

    async def _read(self, file: FileId) -> bytes:
        async def read(node: OwnerNode) -> bytes:
            view = node.following.index.file(file)
            if view is None:
                raise NotFoundError("it is not known")
            download = await node.downloader.open(view, 0, None)
            return b"".join([bytes(part) async for part in node.downloader.read(download)])

        return await self._owner(read)

    def _view(self, file: FileId) -> FileView | None:
        owner = self.world.owner.node
        view = None if owner is None else owner.following.index.file(file)
        if view is None or owner is None:
            return None
        return view if owner.following.index.status(view) is FileStatus.LIVE else None


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 40_000):
        yield data[start : start + 40_000]


async def live(simulation: Simulation, config: LifeConfig) -> Life:
    """A whole life."""
    async with running(simulation, config.world) as world:
        life = Life(simulation, world, config)
        await life.run()
        return life
