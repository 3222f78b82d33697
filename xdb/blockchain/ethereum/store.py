"""The registry's history as one node keeps it: blocks with their events, and what they lead to.

A block is written with everything that follows from it in one atomic batch. Blocks above
the newest final one can be taken back; which were is kept until whoever follows the
history has been told.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xdb.blockchain.ethereum.mirror import Mirror, Told, mirrored
from xdb.core.encoding import decode, encode
from xdb.core.wire import read_event, write_event
from xdb.errors import CorruptFileError, IntegrityError, NotFoundError
from xdb.index.keys import Undo
from xdb.index.staging import Staging, load
from xdb.model.events import Event
from xdb.model.ids import Digest
from xdb.ports.blockchain import BlockEvents, Head
from xdb.ports.kv import KeyValue

_BLOCKS = b"b/"
_UNDO = b"u/"
_BRANCHES = b"r/"
_HEAD = b"h/head"
_FINAL = b"h/final"
_TOLD = b"h/told"


@dataclass(frozen=True, slots=True)
class NewBlock:
    """A block to take; heights count from 1, the block of the deployment."""

    height: int
    hash: Digest
    time: int
    told: tuple[Told, ...] = ()


@dataclass(frozen=True, slots=True)
class Top:
    """The newest block here."""

    height: int
    hash: Digest
    time: int


@dataclass(frozen=True, slots=True)
class _Block:
    hash: Digest
    time: int
    events: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Branch:
    """Blocks above `after`, up to `top`, were taken back."""

    number: int
    after: int
    top: int


class BlockStore:
    """One writer; readers see whole blocks.

    Old blocks without events may be left out: they have the time of the one below them.
    """

    def __init__(self, kv: KeyValue) -> None:
        self._kv = kv
        self.mirror = Mirror(kv)
        self.top = load(kv.get(_HEAD), Top) or Top(0, Digest(bytes(32)), 0)
        self.final = _int(kv.get(_FINAL))
        self.told = _int(kv.get(_TOLD))
        self.branches = tuple(_branches(kv))
        self._moved = asyncio.Event()

    @property
    def head(self) -> Head:
        """The newest block here, and the newest final one."""
        return Head(self.top.height, self.top.time, min(self.top.height, self.final))

    def hash_of(self, height: int) -> Digest | None:
        """A block's hash, when it is kept."""
        if height == self.top.height:
            return self.top.hash
        block = load(self._kv.get(_key(_BLOCKS, height)), _Block)
        return None if block is None else block.hash

    def events(self, height: int) -> BlockEvents:
        """The events of a block. Events that this version does not know are left out."""
        if not 0 < height <= self.top.height:
            raise NotFoundError(f"no block {height} here: the newest is {self.top.height}")
        above = _key(_BLOCKS, height + 1)
        for key, value in self._kv.scan(_BLOCKS, after=above, reverse=True):
            block = decode(_Block, value)
            known = key == _key(_BLOCKS, height)
            return BlockEvents(height, block.time, tuple(_known(block.events)) if known else ())
        raise CorruptFileError(
            f"block {height} is missing in the copy of the Ethereum registry: remove the "
            "directories chain and views of this node, they are made again from the chain"
        )

    @property
    def change(self) -> asyncio.Event:
        """Set when anything changes after it was asked for."""
        return self._moved

    async def reached(self, height: int) -> None:
        """Returns when the newest block is at `height` or above."""
        while self.top.height < height:
            await self._moved.wait()

    async def append(self, blocks: Sequence[NewBlock], *, final: int) -> None:
        """Takes the blocks that follow, of which those up to height `final` are final."""
        settled = [block for block in blocks if block.height <= final]
        await self._take(settled, undoable=False)
        for block in blocks[len(settled) :]:
            await self._take([block], undoable=True)

    async def _take(self, blocks: Sequence[NewBlock], *, undoable: bool) -> None:
        if not blocks:
            return
        staging, batch = Staging(self._kv), dict[bytes, bytes | None]()
        for block in blocks:
            for told in block.told:
                mirrored(staging, told)
                staging.keep()
            events = tuple(write_event(told.event) for told in block.told)
            batch[_key(_BLOCKS, block.height)] = encode(_Block(block.hash, block.time, events))
        top = Top(blocks[-1].height, blocks[-1].hash, blocks[-1].time)
        if undoable:
            batch[_key(_UNDO, top.height)] = encode(staging.undo())
        await self._kv.write(staging.batch() | batch | {_HEAD: encode(top)}, sync=True)
        self.top = top
        self._tell()

    async def roll_back(self, height: int) -> None:
        """Takes back all blocks above `height`; IntegrityError when one of them was final."""
        if height < self.final:
            raise IntegrityError(
                f"Ethereum takes back blocks from {height + 1} on, and {self.final} was final: "
                "this node takes no more blocks; find out which history holds"
            )
        number = self.branches[-1].number + 1 if self.branches else 1
        branch = Branch(number, height, self.top.height)
        batch: dict[bytes, bytes | None] = {_key(_BRANCHES, number): encode(branch)}
        for undone in range(self.top.height, height, -1):
            undo = load(self._kv.get(_key(_UNDO, undone)), Undo)
            if undo is not None:
                batch |= {change.key: change.value for change in undo.changes}
            batch |= {_key(_UNDO, undone): None, _key(_BLOCKS, undone): None}
        top = Top(0, Digest(bytes(32)), 0)
        if height:
            below = decode(_Block, self._kv.get(_key(_BLOCKS, height)) or b"")
            top = Top(height, below.hash, below.time)
        await self._kv.write(batch | {_HEAD: encode(top)}, sync=True)
        self.top = top
        self.branches = (*self.branches, branch)
        self._tell()

    async def settle(self, height: int) -> None:
        """Everything up to `height` is final."""
        if height <= self.final:
            return
        end = _key(_UNDO, height)
        batch: dict[bytes, bytes | None] = {}
        for key, _ in self._kv.scan(_UNDO):
            if key > end:
                break
            batch[key] = None
        await self._kv.write(batch | {_FINAL: height.to_bytes(8, "big")}, sync=True)
        self.final = height
        self._tell()

    async def tell(self, height: int) -> None:
        """Whoever follows is told that `height` is final, and was told of all branches before."""
        if height <= self.told:
            return
        batch: dict[bytes, bytes | None] = {
            _key(_BRANCHES, branch.number): None
            for branch in self.branches
            if branch.after < height
        }
        await self._kv.write(batch | {_TOLD: height.to_bytes(8, "big")}, sync=True)
        self.told = height
        self.branches = tuple(branch for branch in self.branches if branch.after >= height)

    def _tell(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()


def _key(prefix: bytes, number: int) -> bytes:
    return prefix + number.to_bytes(8, "big")


def _int(value: bytes | None) -> int:
    return int.from_bytes(value or b"", "big")


def _branches(kv: KeyValue) -> Iterator[Branch]:
    for _, value in kv.scan(_BRANCHES):
        yield decode(Branch, value)


def _known(events: Sequence[bytes]) -> Iterator[Event]:
    for data in events:
        try:
            yield read_event(data)
        except ValueError:  # written by a later version, before this one was put back
            continue
