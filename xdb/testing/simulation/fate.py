"""What a seed does to a simulated network.

A fault that may cost a slot is drawn only while nothing is missing, seen from above, so that
never more of a file is gone than its redundancy bears.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from xdb.model.ids import FileId, NodeId
from xdb.testing.simulation.draws import below, flipped, fraction
from xdb.testing.simulation.nodes import SimulatedStorage
from xdb.testing.simulation.oversight import is_whole
from xdb.testing.simulation.run import Simulation
from xdb.testing.simulation.world import World

HOUR = 3600.0


@dataclass
class Fate:
    """`files` are those that were acknowledged, `harmed` nodes that lost something by fate."""

    simulation: Simulation
    world: World
    files: dict[FileId, bytes]
    harmed: set[NodeId] = field(default_factory=set)
    faults: Counter[str] = field(default_factory=Counter)
    uploading: int = 0  # uploads under way

    def choices(self) -> list[Callable[[], Awaitable[None]]]:
        """What may happen."""
        return [self.power_cut, self.new_disk, self.bit_rot, self.cut_off, self.owner_cut]

    async def power_cut(self) -> None:
        """A node loses power and comes back after a while."""
        node = self._node("cuts")
        if not self._is_whole():
            return
        if self.uploading:
            self.reached("a node lost power while an upload ran")
        self._count("a node lost power")
        await node.crash()
        await self.world.clock.sleep(self._while("cuts", 4 * HOUR))
        await node.start()

    async def new_disk(self) -> None:
        """A node comes back with an empty disk."""
        node = self._node("disks")
        if not self._is_whole():
            return
        self.harmed.add(node.key.node)
        self._count("a disk was replaced")
        await node.crash()
        node.wipe()
        await node.start()

    async def bit_rot(self) -> None:
        """A bit of a replica changes."""
        node = self._node("rot")
        paths = node.disk.files("replicas")
        if not paths or not self._is_whole():
            return
        self.harmed.add(node.key.node)
        self._count("a bit flipped")
        draw = self.simulation.tape.stream("rot")
        node.disk.rot(paths[below(draw, len(paths))], flipped)

    async def cut_off(self) -> None:
        """Nothing reaches a node for a while; the chain does."""
        node = self._node("partitions")
        self._count("a node was cut off")
        hold = self.world.network.partition([f"{node.name}.example"])
        await self.world.clock.sleep(self._while("partitions", 2 * HOUR))
        hold.end()

    async def owner_cut(self) -> None:
        """The owner node loses power; its files must not mind."""
        self._count("the owner lost power")
        await self.world.owner.crash()
        await self.world.clock.sleep(self._while("owner", HOUR))
        await self.world.owner.start()

    async def heal(self) -> None:
        """Everything that can come back does."""
        self.world.network.heal()
        for node in self.world.storage.values():
            if not node.is_up:
                await node.start()

    def reached(self, state: str) -> None:
        """A state was reached."""
        self.simulation.counters.reached(state)
        self.simulation.record("life", state)

    def _count(self, fault: str) -> None:
        self.faults[fault] += 1
        self.reached(fault)

    def _is_whole(self) -> bool:
        return is_whole(self.world, self.files)

    def _node(self, stream: str) -> SimulatedStorage:
        nodes = sorted(self.world.storage.values(), key=lambda node: node.name)
        return nodes[below(self.simulation.tape.stream(stream), len(nodes))]

    def _while(self, stream: str, longest: float) -> float:
        return fraction(self.simulation.tape.stream(stream)) * longest
