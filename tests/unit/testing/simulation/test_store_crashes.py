"""The replica store loses power in the middle of anything: what it acknowledged is there."""

from xdb.store.recovery import open_store
from xdb.testing.box import LARGE, LEAF, NOW, commitment, damaged, key, put, ref, sealed
from xdb.testing.compute import InlineCompute
from xdb.testing.disk import MemoryDisk
from xdb.testing.kv import CrashingKeyValue
from xdb.testing.simulation.clock import SimulatedClock
from xdb.testing.simulation.counters import Counters
from xdb.testing.simulation.incarnation import FencedError, Incarnation
from xdb.testing.simulation.run import SCHEDULE, run
from xdb.testing.simulation.tape import Tape, shrink

SEEDS, LIVES, WORKERS = 200, 4, 3
GONE = "gone"
MOMENTS = {
    "write": "in a write",
    "sync": "before a sync",
    "rename": "before a rename",
    "sync_directory": "before a sync of names",
    "remove": "before a removal",
    "kv.write": "before the catalog",
    "kv.sync": "in the catalog",
}
DURING_RECOVERY, UNACKNOWLEDGED = "during recovery", "there without acknowledgement"
STATES = (*MOMENTS.values(), DURING_RECOVERY, UNACKNOWLEDGED)


class ForgetfulDisk(MemoryDisk):
    """Acknowledges syncs of names that it does not do."""

    async def sync_directory(self, path):
        self.step("sync_directory", path)


class World:
    """A store that is used by several at once, life by life.

    `known` has what was acknowledged by slot and piece: its text, GONE, or None while it
    is uncertain.
    """

    def __init__(self, simulation, disk):
        self.simulation, self.disk, self.kv = simulation, disk, CrashingKeyValue()
        self.disk.step = self.kv.step = self.step
        self.clock = SimulatedClock(simulation.loop)
        self.dice = simulation.tape.stream("work")
        self.known = {}
        self.opening, self.left = False, 0

    def step(self, operation, path):
        """Cuts the power in the middle of the operation whose turn it is."""
        self.simulation.record("node", f"{operation} {path}")
        self.left -= 1
        if self.left == 0:
            if operation in MOMENTS:
                self.simulation.counters.reached(MOMENTS[operation])
            if self.opening:
                self.simulation.counters.reached(DURING_RECOVERY)
            self.life.fence()
            self.simulation.loop.call_soon(self.life.crash)
            raise FencedError("power cut")

    async def live(self, operations):
        """One life, until the power is cut after so many operations, or when all is done."""
        self.life = Incarnation("node", [self.disk, self.kv], self.simulation.tape.stream("node"))
        self.left = operations
        task = self.life.start(self._work(), name="work")
        while self.life.alive and not task.done():
            await self.clock.sleep(0.1)
        self.life.crash()
        await self.life.ended()
        if not task.cancelled():
            task.result()

    async def _work(self):
        self.opening = True
        disk, kv = self.life.guard(self.disk, self._pause), self.life.guard(self.kv, self._pause)
        store, _ = await open_store(disk, kv, InlineCompute(), LARGE, LEAF, lambda: NOW)
        await self._check(store)
        self.opening = False
        works = [self._put(store) for _ in range(WORKERS)] + [self._come_and_go(store)]
        for task in [self.life.start(work, name="use") for work in works]:
            await task

    async def _pause(self, _call):
        await self.clock.sleep(self.dice.draw(1)[0] / 1e5)

    async def _put(self, store):
        for _ in range(4):
            number, piece = (byte % 3 for byte in self.dice.draw(2))
            await self._have(store, ref(f"file {number}"), piece)

    async def _come_and_go(self, store):
        slot = ref("comes and goes")
        for _ in range(3):
            await self._have(store, slot, 0)
            self.known[slot, 0] = None
            await store.remove(slot.file, slot.slot)
            self.known[slot, 0] = GONE

    async def _have(self, store, slot, piece):
        text = f"text {piece}"
        if self.known.get((slot, piece)) in {None, GONE}:
            self.known[slot, piece] = None
        await put(store, slot, text, piece)
        self.known[slot, piece] = text

    async def _check(self, store):
        """What was acknowledged is there and right, and nothing else is there but wholly."""
        for (slot, piece), text in self.known.items():
            there = store.commitment(key(slot, piece))
            if text == GONE:
                assert there is None
                continue
            data = sealed(f"text {piece}")
            if text is not None:
                assert there == commitment(data)
            elif there is not None:
                self.simulation.counters.reached(UNACKNOWLEDGED)
            if there is not None:
                assert await store.get(key(slot, piece)) == data
                assert await store.verify(key(slot, piece))
        assert damaged(store) == []


def lives(seed, disk, tape=None):
    """The outcome of some lives of a store; draws of zero let the power on."""

    async def main(simulation):
        world = World(simulation, disk)
        for _ in range(LIVES):
            await world.live(simulation.tape.stream("faults").draw(1)[0])
        await world.live(0)
        return sum(text not in {None, GONE} for text in world.known.values())

    return run(seed, main, tape=tape, states=STATES)


def test_what_was_acknowledged_survives_every_power_cut():
    together, kept = Counters(STATES), 0
    for seed in range(SEEDS):
        outcome = lives(seed, MemoryDisk())
        together.merge(outcome.reached)
        kept += outcome.result
    assert together.unreached() == []
    assert kept > SEEDS


def test_a_disk_that_lies_is_found_and_the_run_shrinks_to_what_matters():
    seed, recorded = next(filter(None, map(found_lying, range(20))))

    def fails(given):
        return found_lying(seed, given) is not None

    small = shrink(recorded, fails, tries=60)
    assert fails(small)
    assert sum(map(len, small.values())) < sum(map(len, recorded.values())) / 2


def found_lying(seed, given=None):
    """The seed and the tape of a run in which a disk is found to lie."""
    tape = Tape(seed, given)
    try:
        lives(seed, ForgetfulDisk(), tape)
    except AssertionError:
        recorded = tape.recorded()
        return seed, {name: recorded[name] for name in ("faults", "work", SCHEDULE)}
    return None
