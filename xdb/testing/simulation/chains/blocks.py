"""A simulated chain's blocks, and everything that became of them in order."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from xdb.errors import RefusedCallError
from xdb.model.ids import Digest
from xdb.ports.blockchain import BlockEvents, Final, Head, Rollback


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of a transaction in its block.

    `refused` is the registry's refusal; `stale` says that what it had read was not true any
    more, so that it did nothing.
    """

    height: int
    time: int
    refused: RefusedCallError | None = None
    stale: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """A block: its events, how its transactions ended, and the writes that undo it."""

    events: BlockEvents
    endings: Mapping[Digest, Ending] = field(default_factory=dict)
    undo: Mapping[bytes, bytes | None] = field(default_factory=dict)

    @property
    def height(self) -> int:
        """Its place in the chain."""
        return self.events.height


Item = Block | Rollback | Final


class History:
    """The chain as it is, and the log of how it came to be so, which views follow.

    `watchers` are called after every change.
    """

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.log: list[Item] = []
        self.final = 0
        self.watchers: list[Callable[[], None]] = []

    @property
    def height(self) -> int:
        """Of the newest block; heights count from 1."""
        return len(self.blocks)

    @property
    def head(self) -> Head:
        """The newest block and the newest final one."""
        time = self.blocks[-1].events.time if self.blocks else 0
        return Head(self.height, time, self.final)

    def append(self, block: Block) -> None:
        """The next block."""
        self.blocks.append(block)
        self._publish(block)

    def roll_back(self, height: int) -> list[Block]:
        """Takes back all blocks above `height`; gives them, oldest first."""
        if height < self.final:
            raise ValueError(f"block {self.final} is final")
        undone, self.blocks = self.blocks[height:], self.blocks[:height]
        self._publish(Rollback(height))
        return undone

    def settle(self, height: int) -> None:
        """All blocks up to that one are final."""
        if height > self.final:
            self.final = height
            self._publish(Final(height))

    def _publish(self, item: Item) -> None:
        self.log.append(item)
        for watcher in self.watchers:
            watcher()
