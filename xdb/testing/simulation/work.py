"""What the clients of a simulated owner do: files come, are read, change and go."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from xdb.errors import SourceChangedError, XdbError
from xdb.model.ids import FileId, Nonce
from xdb.node.owner import OwnerNode
from xdb.services.catalog import FileRefById
from xdb.services.upload.request import UploadRequest
from xdb.testing.simulation.account import Account, Kept
from xdb.testing.simulation.clients import Source, ask
from xdb.testing.simulation.draws import below, fraction
from xdb.testing.simulation.invariants import check_kept
from xdb.testing.simulation.oversight import Oversight, ViolationError
from xdb.testing.simulation.paces import HOUR
from xdb.testing.simulation.run import Simulation
from xdb.testing.simulation.settings import YEAR, LifeConfig
from xdb.testing.simulation.world import NAMESPACE, World

T = TypeVar("T")
Operation = Callable[[], Awaitable[None]]

SLICE = 64 << 10
WORK_STATES = (
    "a file was uploaded",
    "an upload failed",
    "an upload was resumed",
    "a changed source was refused",
    "a client went away in the middle",
    "a file was read",
    "a part was read",
    "a file was read while a node was down",
    "a read failed",
    "an ended file was refused",
    "a file was deleted",
    "a file was brought back",
    "a file was renewed",
    "a file was renamed",
    "a file expired",
)


@dataclass
class Workload:
    """Operations of all clients on one owner."""

    simulation: Simulation
    world: World
    config: LifeConfig
    account: Account
    oversight: Oversight
    done: Counter[str] = field(default_factory=Counter)

    def operations(self) -> list[tuple[int, Operation]]:
        """What may be done, and how often in relation to the rest."""
        return [
            (1, self.nothing),
            (6, self.read),
            (6, self.upload),
            (2, self.read_part),
            (2, self.delete),
            (1, self.read_ended),
            (1, self.bring_back),
            (1, self.renew),
            (1, self.rename),
        ]

    async def nothing(self) -> None:
        """What a shortened tape draws."""

    # ------------------------------------------------------------ files come

    async def upload(self) -> None:
        """A new file; what fails is tried again once, under the same upload."""
        draw = self.simulation.tape.stream("files")
        number = self.done["upload"]
        self.done["upload"] += 1
        data = draw.draw(below(draw, 3 * SLICE))
        kept = Kept(data, self._expiry())
        # no zeros, whatever becomes of the tape: ids have to be different
        nonce = Nonce(number.to_bytes(16, "big"))
        request = UploadRequest(
            namespace=NAMESPACE,
            name=f"file {number}",
            expiry=kept.expiry,
            upload=nonce,
            slice_size=SLICE,
            rewindable=True,
        )
        goes_away = None if below(draw, 6) else below(draw, len(data) + 1)
        if await self._upload(request, kept, goes_away=goes_away):
            return
        self.reached("an upload failed")
        await self.world.clock.sleep(fraction(draw) * HOUR)
        other = replace(kept, data=draw.draw(len(data)))  # as long, and not the same
        again = other if not below(draw, 3) else kept
        if await self._upload(request, again, before=kept):
            self.reached("an upload was resumed")

    async def _upload(
        self,
        request: UploadRequest,
        kept: Kept,
        before: Kept | None = None,
        goes_away: int | None = None,
    ) -> bool:
        """Whether it was acknowledged; what an attempt `before` finished is not read again."""
        source = Source(kept.data, goes_away)
        number = self.account.begin(self.simulation.loop.time())
        try:
            view = await self.ask(
                lambda node: node.uploader.upload(request, source.chunks(), lambda _: None)
            )
        except XdbError as error:
            self.simulation.record("owner", f"upload failed: {type(error).__name__}")
            if goes_away is not None:
                self.reached("a client went away in the middle")
            if isinstance(error, SourceChangedError):
                self.reached("a changed source was refused")
            self.account.unsure += 1
            return False
        finally:
            del self.account.coming[number]
        stored = kept if before is None or source.taken else before
        self.account.acknowledged(view.record.file, stored)
        self.reached("a file was uploaded")
        return True

    def _expiry(self) -> int:
        """One file of four ends while life goes on."""
        draw, now = self.simulation.tape.stream("expiries"), self.world.chain.time
        if below(draw, 4) < 3:  # noqa: PLR2004  # three of four
            return now + 2 * int(YEAR)
        return now + int(self.world.config.epoch + fraction(draw) * self.config.seconds)

    # ------------------------------------------------------------ files are read

    async def read(self) -> None:
        """A file, which must be right if it comes."""
        found = self._chosen("reads", self.account.files)
        if found is None:
            return
        file, kept = found
        self.done["read"] += 1
        if await self._compared(file, kept, 0, None) and self._is_any_down():
            self.reached("a file was read while a node was down")

    async def read_part(self) -> None:
        """A range of a file."""
        found = self._chosen("reads", self.account.files)
        if found is None or not found[1].data:
            return
        draw, (file, kept) = self.simulation.tape.stream("parts"), found
        self.done["read"] += 1
        start = below(draw, len(kept.data))
        if await self._compared(file, kept, start, 1 + below(draw, len(kept.data) - start)):
            self.reached("a part was read")

    async def read_ended(self) -> None:
        """A file that was deleted, or has expired: it must be refused."""
        found = self._chosen("ended", self.account.ended)
        if found is None or found[1].expiry > self.world.chain.time - HOUR:
            return
        self.done["read"] += 1
        try:
            await self.fetch(found[0], 0, None)
        except XdbError:
            self.reached("an ended file was refused")
        else:
            raise ViolationError(f"file {found[0].hex()} was read after its end")

    async def fetch(self, file: FileId, start: int, length: int | None) -> bytes:
        """The bytes of a file."""

        async def read(node: OwnerNode) -> bytes:
            view = node.catalog.find(FileRefById(file))
            download = await node.downloader.open(view, start, length)
            return b"".join([bytes(part) async for part in node.downloader.read(download)])

        return await self.ask(read)

    async def _compared(self, file: FileId, kept: Kept, start: int, length: int | None) -> bool:
        try:
            data = await self.fetch(file, start, length)
        except XdbError as error:
            self.reached("a read failed")
            self.simulation.record("owner", f"read failed: {type(error).__name__}")
            return False
        self.compare(file, kept.data[start : None if length is None else start + length], data)
        self.reached("a file was read")
        return True

    def compare(self, file: FileId, wanted: bytes, data: bytes) -> None:
        """ViolationError when they differ."""
        if data != wanted:
            raise ViolationError(
                f"file {file.hex()} came back with other bytes: {len(data)} for {len(wanted)}"
            )

    # ------------------------------------------------------------ files change and go

    async def delete(self) -> None:
        """The end of a file."""
        if len(self.account.files) < 2:  # noqa: PLR2004  # something must be left to lose
            return
        found = self._chosen("deletes", self.account.files)
        if found is None:
            return
        file, kept = found
        del self.account.files[file]  # from now on it may be gone
        self.done["delete"] += 1
        if await self._changed(lambda node: node.catalog.delete(FileRefById(file))):
            self.account.ended[file] = Kept(kept.data, self.world.chain.time)
            self.reached("a file was deleted")
        else:
            self.account.doubtful[file] = kept

    async def bring_back(self) -> None:
        """A deleted file comes back, when all of it is still there."""
        found = self._chosen("ended", self.account.ended)
        view = None if found is None else self.oversight.known(found[0])
        if found is None or view is None:
            return
        check_kept(self.oversight, view)
        if self.oversight.bad_slots(view):
            return
        file, kept = found
        expiry = self.world.chain.time + 2 * int(YEAR)
        self.done["undelete"] += 1
        number = self.account.begin(self.simulation.loop.time())
        del self.account.ended[file]
        try:
            if await self._changed(lambda node: node.catalog.undelete(FileRefById(file), expiry)):
                self.account.acknowledged(file, Kept(kept.data, expiry))
                self.reached("a file was brought back")
            else:
                self.account.doubtful[file] = kept
        finally:
            del self.account.coming[number]

    async def renew(self) -> None:
        """A later expiry."""
        found = self._chosen("renewals", self.account.files)
        if found is None:
            return
        file, kept = found
        expiry = max(kept.expiry, self.world.chain.time) + int(self.world.config.epoch)
        self.done["renew"] += 1
        renewed = await self._changed(lambda node: node.catalog.renew(FileRefById(file), expiry))
        if renewed and file in self.account.files:
            self.account.files[file] = Kept(kept.data, expiry)
            self.reached("a file was renewed")

    async def rename(self) -> None:
        """Another name."""
        found = self._chosen("names", self.account.files)
        if found is None:
            return
        self.done["rename"] += 1
        ref, name = FileRefById(found[0]), f"name {self.done['rename']}"
        if await self._changed(lambda node: node.catalog.rename(ref, name, None)):
            self.reached("a file was renamed")

    async def _changed(self, work: Callable[[OwnerNode], Awaitable[object]]) -> bool:
        try:
            await self.ask(work)
        except XdbError as error:
            self.simulation.record("owner", f"change failed: {type(error).__name__}")
            return False
        return True

    # ------------------------------------------------------------ inside

    async def ask(self, work: Callable[[OwnerNode], Awaitable[T]]) -> T:
        """What the owner node answers; UnavailableError when it is down, or goes down."""
        return await ask(self.simulation.loop, self.world.owner, work)

    def reached(self, state: str) -> None:
        """A state was reached."""
        self.simulation.reached("work", state)

    def _chosen(self, stream: str, files: dict[FileId, Kept]) -> tuple[FileId, Kept] | None:
        before = len(self.account.files)
        self.account.expire(self.world.chain.time)
        if len(self.account.files) < before:
            self.reached("a file expired")
        if not files:
            return None
        draw = self.simulation.tape.stream(stream)
        file = sorted(files)[below(draw, len(files))]
        return file, files[file]

    def _is_any_down(self) -> bool:
        return not all(node.is_up for node in self.world.storage.values())
