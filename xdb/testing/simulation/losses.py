"""What disks of simulated nodes lose."""

import asyncio
from dataclasses import dataclass

from xdb.testing.simulation.draws import below, flipped, one_of
from xdb.testing.simulation.fate import Fate, Fault

LOSS_STATES = (
    "a disk was replaced",
    "disks were lost together",
    "a bit flipped",
    "a replica vanished",
    "two replicas were swapped",
    "a catalog was lost",
)


@dataclass
class Losses:
    """Faults that cost replicas, but for the last one."""

    fate: Fate

    def faults(self) -> list[tuple[int, Fault]]:
        """What may happen, and how often in relation to the rest."""
        return [
            (2, self.new_disk),
            (8, self.bit_rot),
            (3, self.vanished),
            (2, self.swapped),
            (1, self.lost_catalog),
            *([(4, self.disaster)] if self.fate.beyond else ()),
        ]

    async def new_disk(self) -> None:
        """A node comes back with an empty disk."""
        with self.fate.taken(costly=True) as node:
            if node is None:
                return
            self.fate.harm(node, "a disk was replaced")
            trouble = self.fate.account.trouble(node.key.node, self.fate.now)
            await node.crash()
            node.wipe()
            await node.start()
            trouble.end = self.fate.now

    async def bit_rot(self) -> None:
        """A bit of a replica changes."""
        with self.fate.taken(costly=True) as node:
            if node is not None and (paths := node.disk.files("replicas")):
                self.fate.harm(node, "a bit flipped")
                node.disk.rot(one_of(self.fate.simulation.tape.stream("rot"), paths), flipped)

    async def vanished(self) -> None:
        """A replica is not there any more."""
        with self.fate.taken(costly=True) as node:
            if node is not None and (paths := node.disk.files("replicas")):
                self.fate.harm(node, "a replica vanished")
                node.disk.lose(one_of(self.fate.simulation.tape.stream("rot"), paths))

    async def swapped(self) -> None:
        """Two replicas of a node change places, as misdirected writes do."""
        with self.fate.taken(costly=True) as node:
            if node is None or len(paths := node.disk.files("replicas")) < 2:  # noqa: PLR2004
                return
            draw = self.fate.simulation.tape.stream("rot")
            one = one_of(draw, paths)
            other = one_of(draw, [path for path in paths if path != one])
            self.fate.harm(node, "two replicas were swapped")
            first, second = node.disk.content(one), node.disk.content(other)
            node.disk.rot(one, lambda _: second)
            node.disk.rot(other, lambda _: first)

    async def disaster(self) -> None:
        """Several nodes lose their disks at once: more than redundancy bears."""
        count = 2 + below(self.fate.simulation.tape.stream("disasters"), 3)
        self.fate.count("disks were lost together")
        await asyncio.gather(*(self.new_disk() for _ in range(count)))

    async def lost_catalog(self) -> None:
        """A node loses its catalog, and has to find out from its disk what it keeps."""
        with self.fate.taken() as node:
            if node is None:
                return
            self.fate.count("a catalog was lost")
            trouble = self.fate.account.trouble(node.key.node, self.fate.now)
            await node.crash()
            node.forget()
            await node.start()
            trouble.end = self.fate.now
