"""Whatever happens to nodes within what redundancy bears: every file is whole again, without help.

Nodes go and come back, lose their disks, rot, drain and return; epochs pass. In the end
everything heals: all files are green, every replica is as it should be, every byte comes
back, and no honest node was ever said to have failed.
"""

import asyncio
import os
import random

import pytest

from xdb.errors import RefusedCallError
from xdb.model.calls import SetNodeState
from xdb.model.health import Colour, Verdict
from xdb.model.registry import NodeState
from xdb.services.health.look import Look
from xdb.store.formats import REPLICA_BODY
from xdb.store.kv_memory import MemoryKeyValue
from xdb.testing.disk import MemoryDisk
from xdb.testing.living import living
from xdb.testing.repair import problems

NODES, FILES, STEPS = 7, 5, 14
SEEDS = 400 if os.environ.get("XDB_LONG") else 12


def zeroed(data):
    return data[:REPLICA_BODY] + bytes(len(data) - REPLICA_BODY)


class Fate:
    """Faults drawn from one seed; never more than one slot of a file at a time."""

    def __init__(self, world, seed):
        self.world, self.random = world, random.Random(seed)  # repeatable
        self.harmed = set()  # nodes that lost something by our doing
        self.trace = []

    async def step(self):
        name = self.random.choice(["down", "rot", "wipe", "drain", "epoch", "epoch"])
        self.trace.append(name)
        await getattr(self, name)()

    async def _healthy(self):
        """Whether all is well, seen from above: only then something may break."""
        index = self.world.net.index
        look = Look(index, self.world.observations, index.head.time)
        files = index.files(self.world.net.owner.address, limit=100).items
        if not all(member.up for member in self.world.net.members.values()):
            return False
        bench = self.world.bench
        for view in files:
            if look.colour(view) is not Colour.GREEN or await bench.run(problems(bench, view)):
                return False
        return True

    def _member(self):
        return self.world.net.members[self.random.choice(sorted(self.world.net.members))]

    async def down(self):
        if await self._healthy():
            self._member().up = False

    async def rot(self):
        if not await self._healthy():
            return
        member = self._member()
        paths = sorted(path for path in member.disk._names if path.startswith("replicas/"))
        if paths:
            self.harmed.add(member.node)
            path = self.random.choice(paths)
            member.disk.rot(
                path, lambda data: data[:REPLICA_BODY] + bytes(len(data) - REPLICA_BODY)
            )

    async def wipe(self):
        if await self._healthy():
            member = self._member()
            self.harmed.add(member.node)
            member.disk, member.kv = MemoryDisk(), MemoryKeyValue()
            await self.world.net.restart(member.node)

    async def drain(self):
        member = self._member()
        wanted = NodeState.DRAINING if await self._healthy() else NodeState.ONLINE
        try:
            self.world.net.chain.call(member.key.address, SetNodeState(wanted))
        except RefusedCallError:
            return
        await self.world.net.caught_up()

    async def epoch(self):
        await self.live()

    async def live(self):
        """An epoch in which everybody who is there does its duty, and those away may return."""
        await self.world.epochs()
        await self.world.care()
        for member in self.world.net.members.values():
            if not member.up and self.random.random() < 0.3:  # sometimes
                member.up = True


async def life(seed):
    async with living(NODES) as world:
        files = {}
        fate = Fate(world, seed)
        for number in range(FILES):
            data = fate.random.randbytes(fate.random.choice([0, 10, 70_000, 200_000]))
            view = await world.bench.upload(data, world.bench.request(f"f{number}"))
            files[view.record.file] = data
        await world.epochs(2)
        for _ in range(STEPS):
            await fate.step()
        for member in world.net.members.values():
            member.up = True
            record = world.net.index.node_record(member.node)
            if record.state is NodeState.DRAINING:
                world.net.chain.call(member.key.address, SetNodeState(NodeState.ONLINE))
        for _ in range(6):
            await world.epochs()
            await world.care()
        for file, data in files.items():
            view = world.net.index.file(file)
            look = Look(world.net.index, world.observations, world.net.index.head.time)
            assert look.colour(view) is Colour.GREEN, (seed, fate.trace)
            assert await world.bench.run(problems(world.bench, view)) == [], (seed, fate.trace)
            assert await world.bench.download(view) == data, (seed, fate.trace)
        failed = {item.node for item in world.net.index.audits.listed(verdict=Verdict.FAILED).items}
        assert failed <= fate.harmed, (seed, fate.trace)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_everything_heals_and_nobody_honest_is_blamed(seed):
    asyncio.run(life(seed))
