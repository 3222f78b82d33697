"""Takes the chain's history in, block by block, and back out when the chain undoes it."""

import asyncio

from xdb.core.encoding import encode
from xdb.core.signing import digest_of
from xdb.errors import ConfigError, IntegrityError
from xdb.index.events import apply_event
from xdb.index.keys import (
    COUNTED,
    CURSOR,
    FINAL,
    IDENTITY,
    UNDO,
    Cursor,
    Identity,
    Undo,
    number,
    undo_key,
)
from xdb.index.moment import Moment, anchored
from xdb.index.staging import Staging, load
from xdb.model.ids import Deployment
from xdb.model.registry import Parameters
from xdb.ports.blockchain import BlockEpoch, BlockEvents, Final, Head, Rollback
from xdb.ports.kv import KeyValue

FORMAT = 2


class History:
    """The writing half of the index."""

    def __init__(self, kv: KeyValue, parameters: Parameters, deployment: Deployment | None) -> None:
        self._kv = kv
        self._parameters = parameters
        self._identity = encode(
            Identity(
                FORMAT,
                digest_of("xdb/v1/parameters", parameters),
                deployment.chain if deployment else None,
            )
        )
        if kv.get(IDENTITY) not in (None, self._identity):
            raise ConfigError(
                "the index was made from another chain or by another version: remove its "
                "directory, it is made again from the chain"
            )
        self._applying = asyncio.Lock()
        self._cursor = load(kv.get(CURSOR), Cursor) or Cursor(0, 0, 0)
        self._final = int.from_bytes(kv.get(FINAL) or b"", "big")
        self.counted = load(kv.get(COUNTED), BlockEpoch)
        self._moved = asyncio.Event()
        self.rollbacks = 0

    @property
    def head(self) -> Head:
        """The newest block applied."""
        height = self._cursor.height
        return Head(height, self._cursor.time, min(height, self._final))

    @property
    def parameters(self) -> Parameters:
        """The chain's; where it counts epochs in blocks, such as fit the present one."""
        return anchored(self._parameters, self.counted)

    @property
    def poisoned(self) -> int:
        """Events passed over because they made no sense; not 0 means a faulty chain or program."""
        return self._cursor.poisoned

    async def reached(self, height: int) -> None:
        """Returns when the block of that height is applied."""
        while self.head.height < height:
            await self._moved.wait()

    async def settled(self, height: int) -> None:
        """Returns when the block of that height is applied and final."""
        while self.head.final < height:
            await self._moved.wait()

    async def apply(self, item: BlockEvents | Rollback | Final) -> None:
        """Takes the next item of the history. IntegrityError when it does not follow."""
        async with self._applying:
            match item:
                case BlockEvents():
                    await self._apply_block(item)
                case Rollback():
                    await self._roll_back(item.height)
                case Final():
                    await self._settle(item.height)
            self._moved.set()
            self._moved = asyncio.Event()

    async def _apply_block(self, block: BlockEvents) -> None:
        if block.height != self._cursor.height + 1:
            raise IntegrityError(
                f"block {block.height} cannot follow block {self._cursor.height}: read the chain's "
                "history again from there"
            )
        staging = Staging(self._kv)
        poisoned = self._cursor.poisoned
        at = Moment(self._parameters, block.height, block.time, block.epoch)
        for event in block.events:
            poisoned += not apply_event(staging, event, at)
        cursor = Cursor(block.height, block.time, poisoned)
        staging.save(CURSOR, cursor)
        if block.epoch is not None and _is_another(block.epoch, self.counted):
            staging.save(COUNTED, block.epoch)
        staging.keep()
        batch = staging.batch()
        batch[IDENTITY] = self._identity
        batch[FINAL] = number(self._final)
        if block.height > self._final:
            batch[undo_key(block.height)] = encode(staging.undo())
        await self._kv.write(batch, sync=False)
        self._cursor = cursor
        self.counted = load(batch.get(COUNTED), BlockEpoch) or self.counted

    async def _roll_back(self, height: int) -> None:
        if height < self.head.final:
            raise IntegrityError(
                f"the chain takes back blocks from {height + 1} on, and {self.head.final} was "
                "final: do not trust this chain; ask who runs it"
            )
        self.rollbacks += 1
        while self._cursor.height > height:
            key = undo_key(self._cursor.height)
            undo = load(self._kv.get(key), Undo)
            if undo is None:
                raise IntegrityError(f"block {self._cursor.height} cannot be undone")
            batch = {change.key: change.value for change in undo.changes}
            cursor = load(batch[CURSOR], Cursor) or Cursor(0, 0, 0)
            await self._kv.write(batch | {key: None}, sync=False)
            self._cursor = cursor
        self.counted = load(self._kv.get(COUNTED), BlockEpoch)

    async def _settle(self, height: int) -> None:
        if height <= self._final:
            return
        end = undo_key(height)
        done = []
        # from there on only: a store may step over all that was ever removed before
        for key, _ in self._kv.scan(UNDO, after=undo_key(self._final)):
            if key > end:
                break
            done.append(key)
        if done or height <= self._cursor.height:
            await self._kv.write({FINAL: number(height)} | dict.fromkeys(done), sync=False)
        self._final = height


def _is_another(epoch: BlockEpoch, before: BlockEpoch | None) -> bool:
    return before is None or epoch.number != before.number
