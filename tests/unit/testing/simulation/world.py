"""A run in which everything happens whose order might depend on the process.

Prints the hash of its trace, and the process's hash of a string.
"""

import asyncio
import sys

from xdb.store.kv_memory import MemoryKeyValue
from xdb.store.recovery import open_store
from xdb.testing.box import LARGE, LEAF, NOW, put, ref
from xdb.testing.compute import InlineCompute
from xdb.testing.disk import MemoryDisk
from xdb.testing.kv import CrashingKeyValue
from xdb.testing.living import living
from xdb.testing.simulation.clock import SimulatedClock
from xdb.testing.simulation.incarnation import Incarnation
from xdb.testing.simulation.run import run

JUNK = [bytes(size % 500) for size in range(hash("a string") % 50_000)]
"""Objects get other addresses in every process, also where the system does not see to it."""


async def sets_of_tasks(simulation):
    """`asyncio.wait` gives sets; a group cancels its tasks in the order of a set."""

    async def work(number):
        try:
            await asyncio.sleep(1)
        finally:
            simulation.record("", f"work {number} ended")

    tasks = [asyncio.create_task(work(number)) for number in range(30)]
    done, _ = await asyncio.wait(tasks)
    for task in done:
        simulation.record("", f"done {task.get_name()}")
    try:
        async with asyncio.TaskGroup() as group:
            for number in range(30):
                group.create_task(work(number))
            await asyncio.sleep(0)
            raise KeyError  # noqa: TRY301  # ends the group
    except* KeyError:
        pass


async def storing(simulation):
    """A replica store that is used by several at once, and loses power."""
    disk, kv, entropy = MemoryDisk(), CrashingKeyValue(), simulation.tape.stream("node")
    disk.step = lambda operation, path: simulation.record("node", f"{operation} {path}")
    life = Incarnation("node", [disk, kv], entropy)
    clock = life.guard(SimulatedClock(simulation.loop, drift=0.01))

    async def pause(_call):
        await clock.sleep(entropy.draw(1)[0] / 1000)

    async def work():
        held = life.guard(disk, pause), life.guard(kv, pause)
        store, _ = await open_store(*held, InlineCompute(), LARGE, LEAF, lambda: NOW)
        async with asyncio.TaskGroup() as group:
            for number in range(10):
                group.create_task(put(store, ref(f"file {number}")))

    life.start(work(), name="work")
    await asyncio.sleep(1)
    life.crash()
    await life.ended()
    for name in sorted(disk.files("")):
        simulation.record("node", name)


async def mending(simulation):
    """A whole network: an owner stores, a node loses everything, what it had is made again."""
    async with living(5) as world:
        views = [
            await world.bench.upload(bytes([number]) * 100_000, world.bench.request(f"f{number}"))
            for number in range(3)
        ]
        await world.epochs()
        member = world.net.members[views[0].record.holders[0]]
        member.disk, member.kv = MemoryDisk(), MemoryKeyValue()
        await world.net.restart(member.node)
        for _ in range(3):
            await world.epochs()
            report = await world.care()
            simulation.record("owner", str(report))
        for number, view in enumerate(views):
            now = world.net.index.file(view.record.file)
            simulation.record("owner", " ".join(each.hex() for each in now.record.holders))
            assert await world.bench.download(now) == bytes([number]) * 100_000


async def main(simulation):
    await sets_of_tasks(simulation)
    await mending(simulation)
    await storing(simulation)


if __name__ == "__main__":
    sys.stdout.write(f"{run(int(sys.argv[1]), main).trace} {hash('a string')}")
