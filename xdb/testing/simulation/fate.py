"""What a seed does to a simulated network.

A fault that may cost a slot is drawn only while every file can lose one more, seen from above,
so that never more of a file is gone than its redundancy bears; beyond the budget that is not
asked.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from xdb.testing.disk import MemoryDisk
from xdb.testing.kv import CrashingKeyValue
from xdb.testing.simulation.account import Account
from xdb.testing.simulation.draws import below, fraction, one_of
from xdb.testing.simulation.incarnation import FencedError
from xdb.testing.simulation.nodes import SimulatedOwner, SimulatedStorage
from xdb.testing.simulation.oversight import Oversight
from xdb.testing.simulation.run import Simulation
from xdb.testing.simulation.world import World

Fault = Callable[[], Coroutine[Any, Any, None]]

FATE_STATES = (
    "a node lost power",
    "a node lost power in a write",
    "a node lost power while it started",
    "a node lost power while an upload ran",
    "the owner lost power",
    "the owner lost power in a write",
)
MOST_WRITES = 40
"""Steps of a disk or store before a power cut in the middle of one."""


def nothing(_operation: str, _path: str) -> None:
    """A step that goes well."""


@dataclass
class Fate:
    """Losses of power, and what all kinds of faults share."""

    simulation: Simulation
    world: World
    account: Account
    oversight: Oversight
    beyond: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    _busy: dict[str, None] = field(default_factory=dict)

    def faults(self) -> list[tuple[int, Fault]]:
        """What may happen, and how often in relation to the rest."""
        return [
            (4, self.power_cut),
            (6, self.power_cut_in_a_write),
            (3, self.owner_cut),
            (3, self.owner_cut_in_a_write),
        ]

    # ------------------------------------------------------------ power

    async def power_cut(self) -> None:
        """A node loses power and comes back after a while."""
        with self.taken() as node:
            if node is None:
                return
            self.count("a node lost power")
            await self.down(node, self.long("cuts", 4))

    async def power_cut_in_a_write(self) -> None:
        """A node loses power in the middle of something its disk or store does."""
        with self.taken() as node:
            if node is None or node.life is None:
                return
            stores, life = (node.disk, node.catalog, node.views), node.life
            if await self.tripped(stores, life.fence, self.long("cuts", 1)):
                self.count("a node lost power in a write")
                await self.down(node, self.long("cuts", 1))

    async def owner_cut(self) -> None:
        """The owner node loses power; its files must not mind."""
        if not self.world.owner.is_up:
            return
        self.count("the owner lost power")
        await self._owner_down(self.world.owner)

    async def owner_cut_in_a_write(self) -> None:
        """The owner node loses power in the middle of a write."""
        owner = self.world.owner
        if not owner.is_up or owner.life is None:
            return
        stores = (owner.journal, owner.views)
        if await self.tripped(stores, owner.life.fence, self.long("owner", 1)):
            self.count("the owner lost power in a write")
            await self._owner_down(owner)

    async def down(self, node: SimulatedStorage, seconds: float) -> None:
        """A node is off for so long; it may lose power once more while it starts."""
        trouble = self.account.trouble(node.key.node, self.now)
        if self.account.coming:
            self.reached("a node lost power while an upload ran")
        await node.crash()
        await self.world.clock.sleep(seconds)
        if not below(self.simulation.tape.stream("restarts"), 4):
            await self._interrupted(node)
        await node.start()
        trouble.end = self.now

    async def _interrupted(self, node: SimulatedStorage) -> None:
        starting = asyncio.create_task(node.start(), name="start")
        stores = (node.disk, node.catalog, node.views)

        def fence() -> None:
            if node.life is not None:
                node.life.fence()

        if await self.tripped(stores, fence, 60.0):
            self.reached("a node lost power while it started")
        await asyncio.gather(starting)
        await node.crash()

    async def _owner_down(self, owner: SimulatedOwner) -> None:
        await owner.crash()
        await self.world.clock.sleep(self.long("owner", 1))
        await owner.start()

    async def tripped(
        self,
        stores: tuple[MemoryDisk | CrashingKeyValue, ...],
        fence: Callable[[], None],
        seconds: float,
    ) -> bool:
        """Cuts power at a step of one of them, within a time; whether it came to that."""
        left = 1 + below(self.simulation.tape.stream("steps"), MOST_WRITES)
        cut, over = False, asyncio.Event()

        def step(operation: str, _path: str) -> None:
            nonlocal left, cut
            left -= operation != "read"
            if left <= 0 and not cut:
                cut = True
                fence()
                over.set()
            if cut:
                raise FencedError(f"power is cut in a {operation}")

        for store in stores:
            store.step = step
        timer = self.simulation.loop.call_later(seconds, over.set)
        await over.wait()
        timer.cancel()
        for store in stores:
            store.step = nothing
        return cut

    # ------------------------------------------------------------ the end

    async def heal(self) -> None:
        """Everything that can come back does."""
        for node in self.world.storage.values():
            if not node.is_up:
                await node.start()
        if not self.world.owner.is_up:
            await self.world.owner.start()

    # ------------------------------------------------------------ for all kinds of faults

    @property
    def now(self) -> float:
        """Seconds of the run."""
        return self.simulation.loop.time()

    @contextmanager
    def taken(self, *, costly: bool = False) -> Iterator[SimulatedStorage | None]:
        """A node that is up and has no other fault, for as long as the block takes; or None."""
        node = None if costly and not self._may_lose() else self._node()
        if node is None:
            yield None
            return
        self._busy[node.name] = None
        try:
            yield node
        finally:
            del self._busy[node.name]

    @contextmanager
    def on_the_way(self) -> Iterator[tuple[str, float]]:
        """Whose way to the chain is disturbed, and for how long."""
        seconds, draw = self.long("chain", 1), self.simulation.tape.stream("chain")
        if not below(draw, 4):
            yield "owner", seconds
            return
        nodes = sorted(self.world.storage.values(), key=lambda node: node.name)
        node = one_of(draw, nodes)
        trouble = self.account.trouble(node.key.node, self.now)
        try:
            yield node.name, seconds
        finally:
            trouble.end = self.now + self.world.config.epoch / 2  # it has to catch up

    def harm(self, node: SimulatedStorage, fault: str) -> None:
        """A node loses something."""
        self.account.harmed[node.key.node] = None
        self.account.costly = self.now
        self.count(fault)

    def count(self, fault: str) -> None:
        """A fault happens."""
        self.counts[fault] += 1
        self.reached(fault)

    def reached(self, state: str) -> None:
        """A state was reached."""
        self.simulation.reached("fate", state)

    def long(self, stream: str, epochs: float) -> float:
        """A time of so many epochs at most, in seconds."""
        return fraction(self.simulation.tape.stream(stream)) * epochs * self.world.config.epoch

    def _may_lose(self) -> bool:
        if self.beyond:
            return True
        rested = self.now - self.account.costly > self.world.config.epoch / 2
        return rested and self.account.may_lose() and self.oversight.spare() > 0

    def _node(self) -> SimulatedStorage | None:
        free = [
            node
            for node in sorted(self.world.storage.values(), key=lambda node: node.name)
            if node.is_up and node.node is not None and node.name not in self._busy
        ]
        return one_of(self.simulation.tape.stream("nodes"), free) if free else None
