"""Every stored byte is looked at in time, and what is wrong is found and told."""

import pytest
from structlog.testing import capture_logs

from xdb.errors import ConfigError, OverloadedError, StorageFullError, UnavailableError
from xdb.index.index import Index
from xdb.model.registry import Parameters
from xdb.ports.blockchain import Head
from xdb.runtime.logging import logger
from xdb.services.inventory import Inventory
from xdb.services.surrender import Surrendered, Surrendering
from xdb.store.catalog import cursor
from xdb.store.kv_memory import MemoryKeyValue
from xdb.tasks.scrubber import KEY, Round, ScrubberTask, ScrubConfig
from xdb.testing.box import BOB, NOW, Box, commitment, damaged, key, put, ref, sealed
from xdb.testing.chain import MemoryChain
from xdb.testing.clock import FakeClock
from xdb.testing.entropy import SeededEntropy
from xdb.testing.keys import NamedKey

WITHIN = 1000.0
EVERY = 10.0


class NoFiles:
    """A chain without any file."""

    head = Head(1, NOW, 1)

    def file(self, _file):
        return None


class Bench:
    """A scrubber over a store that can be opened again; notes when files were read last."""

    def __init__(self):
        self.box, self.clock = Box(), FakeClock(NOW)
        self.config = ScrubConfig(WITHIN)
        self.looked = {}
        self.box.disk.step = self.note

    def note(self, operation, path):
        if operation == "read":
            self.looked[path] = self.clock.wall()

    async def open(self):
        self.store = await self.box.open()
        node = NamedKey("node")
        chain = MemoryChain(Parameters(start=NOW), self.clock)
        registry = chain.registry(node, SeededEntropy())
        surrendering = Surrendering(
            node.node, NoFiles(), self.store, registry, self.clock, self.config.restore_within
        )
        inventory = Inventory(
            node.node, Index(MemoryKeyValue(), chain.parameters), self.store, self.clock
        )
        self.task = ScrubberTask(
            self.store, inventory, surrendering, self.config, self.clock, logger("test")
        )

    async def everything(self):
        """A cycle that makes up for a whole round."""
        self.task._round, self.task._began = Round(0), -WITHIN
        return await self.task.run_once()

    async def cycles(self, count):
        for _ in range(count):
            await self.task.run_once()
            await self.clock.advance(EVERY)

    def paths(self):
        return self.box.disk.files("replicas") + self.box.disk.files("manifests")


@pytest.fixture
async def bench():
    made = Bench()
    await made.open()
    return made


async def fill(store, files=3, pieces=2):
    for number in range(files):
        slot = ref(f"file {number}")
        for piece in range(pieces):
            await put(store, slot, f"{number} {piece}", piece)
        await store.put_manifest(slot, b"manifest %d" % number)


# ---------------------------------------------------------------- what is found


async def test_sound_files_are_looked_at_and_nothing_is_said(bench):
    await fill(bench.store)
    with capture_logs() as logs:
        report = await bench.everything()
    assert (report.replicas, report.manifests, report.damaged) == (6, 3, 0)
    assert report.bytes == bench.store.room.used
    assert (report.progress, report.last_round, report.problems) == (1.0, NOW, ())
    assert [entry["event"] for entry in logs] == []


def short(disk, path):
    file = disk._names[path]
    file.content = file.synced = file.content[:-5]


@pytest.mark.parametrize("folder", ["replicas", "manifests"])
@pytest.mark.parametrize("harm", ["corrupt", "lose", "short"])
async def test_damage_is_listed_and_told(bench, folder, harm):
    await fill(bench.store)
    disk = bench.box.disk
    path = disk.files(folder)[0]
    short(disk, path) if harm == "short" else getattr(disk, harm)(path)
    with capture_logs() as logs:
        report = await bench.everything()
    assert (report.damaged, report.problems) == (1, ())
    (damage,) = bench.store.catalog.damaged()
    assert (damage.manifest, damage.since) == (folder == "manifests", NOW)
    (entry,) = logs
    assert entry["event"] == "replica.damaged"
    assert (entry["file"], entry["slot"]) == (damage.file, damage.slot)
    assert (entry["manifest"], entry["reason"]) == (damage.manifest, damage.reason)


async def test_swapped_files_are_both_found(bench):
    await put(bench.store, ref("a"))
    await put(bench.store, ref("b", owner=BOB))
    one, other = (bench.box.disk._names[path] for path in bench.paths())
    one.content, other.content = other.content, one.content
    assert (await bench.everything()).damaged == 2


async def test_what_is_pushed_again_is_found_sound(bench):
    await fill(bench.store)
    for path in bench.paths():
        bench.box.disk.corrupt(path)
    assert (await bench.everything()).damaged == 9
    await fill(bench.store)
    assert (await bench.everything()).damaged == 0
    assert list(bench.store.catalog.damaged()) == []


async def test_what_goes_meanwhile_is_no_damage(bench):
    await fill(bench.store)
    store, verify, seen = bench.store, bench.store.verify, []

    async def removing(which):
        if not seen:
            await store.remove(which.file, which.slot)
        seen.append(which)
        return await verify(which)

    store.verify = removing
    report = await bench.everything()
    assert (report.replicas, report.manifests, report.damaged) == (4, 3, 0)
    assert report.problems == ()
    assert damaged(store) == []


# ---------------------------------------------------------------- bad items


async def test_a_poison_entry_stops_no_cycle(bench):
    await fill(bench.store)
    poison = ref("file 0")
    places = (b"s/" + cursor(poison.file, 1), b"r/" + cursor(ref("file 1").file, 1, 0))
    await bench.box.kv.write(dict.fromkeys(places, b"poison"), sync=True)
    for _ in range(2):
        report = await bench.everything()
        assert report.progress == 1.0
        assert len(report.problems) == 4  # a slot with its manifest and pieces, and one piece
        assert (report.replicas, report.manifests, report.damaged) == (3, 2, 0)


async def test_a_file_that_cannot_be_read_now_is_a_problem_and_no_damage(bench):
    await fill(bench.store)
    path = bench.paths()[0]

    def busy(operation, where):
        if (operation, where) == ("read", path):
            raise OverloadedError("too many open files")

    bench.box.disk.step = busy
    report = await bench.everything()
    assert (report.replicas, report.damaged, len(report.problems)) == (5, 0, 1)
    assert "too many open files" in report.problems[0]


async def test_a_failed_store_ends_the_cycle_quietly(bench):
    await fill(bench.store)
    bench.box.disk.corrupt(bench.paths()[0])

    def failing(operation, _path):
        if operation == "kv.sync":
            raise UnavailableError("Input/output error")

    bench.box.kv.step = failing
    report = await bench.everything()
    assert bench.store.files.failed
    assert report.problems == ()
    assert (await bench.everything()).replicas == 0


async def test_a_position_that_cannot_be_kept_is_a_problem(bench):
    await fill(bench.store)
    write = bench.box.kv.write

    async def full(batch, *, sync):
        if KEY in batch:
            raise StorageFullError("no room")
        await write(batch, sync=sync)

    bench.box.kv.write = full
    report = await bench.everything()
    assert report.replicas == 6
    assert report.problems == ("the position was not kept: no room",)


# ---------------------------------------------------------------- pace


async def test_a_cycle_looks_at_its_part_and_at_one_replica_at_least(bench):
    await fill(bench.store, 50)
    report = await bench.task.run_once()
    assert 1 <= report.replicas <= 8  # of 100, in a round of 50 cycles
    assert 0 < report.progress < 0.1
    assert report.last_round == 0
    await bench.task.run_once()
    data = sealed("large", 1 << 20)
    await bench.store.put(ref("large"), 0, commitment(data), data)
    for _ in range(20):
        assert (await bench.task.run_once()).replicas >= 1


async def test_a_round_goes_on_after_a_restart(bench):
    await fill(bench.store, 50)
    await bench.cycles(20)
    before = await bench.task.run_once()
    await bench.open()
    after = await bench.task.run_once()
    assert before.progress < after.progress < 0.7
    await bench.cycles(30)
    assert set(bench.looked) >= set(bench.paths())
    assert (await bench.task.run_once()).last_round > NOW


async def test_what_was_missed_is_made_up_for(bench):
    await fill(bench.store, 50)
    await bench.task.run_once()
    await bench.clock.advance(WITHIN)  # switched off
    await bench.open()
    report = await bench.task.run_once()
    assert report.progress == 1.0
    assert set(bench.looked) >= set(bench.paths())


async def test_a_clock_set_back_delays_nothing(bench):
    await fill(bench.store, 50)
    await bench.cycles(2)
    bench.clock.jump(-10 * WITHIN)
    await bench.cycles(30)
    await bench.open()
    looked_at = dict(bench.looked)
    await bench.cycles(50)
    assert len(looked_at) > 90
    assert (await bench.task.run_once()).last_round > 0


async def test_a_position_that_cannot_be_read_begins_anew(bench):
    await fill(bench.store)
    await bench.box.kv.write({KEY: b"of another version"}, sync=False)
    assert (await bench.task.run_once()).replicas >= 1


async def test_an_empty_store_is_always_done(bench):
    report = await bench.task.run_once()
    assert (report.replicas, report.progress, report.last_round) == (0, 1.0, NOW)


async def test_early_in_one_round_and_late_in_the_next_is_still_in_time(bench):
    names = sorted((f"file {number}" for number in range(400)), key=lambda name: ref(name).file)
    for name in names[200:]:
        await put(bench.store, ref(name))
    await bench.task.run_once()
    (first, *_) = bench.looked
    times = []
    for cycle in range(200):
        if cycle == 40:  # all of these come before it in the next round
            for name in names[:200]:
                await put(bench.store, ref(name))
        await bench.clock.advance(EVERY)
        await bench.task.run_once()
        times.append(bench.looked[first])
    gaps = [later - earlier for earlier, later in zip([NOW, *times], times, strict=False)]
    assert 0.6 * WITHIN < max(gaps) <= WITHIN


@pytest.mark.parametrize("seed", range(6))
async def test_every_file_is_looked_at_in_time_whatever_comes_and_goes(bench, seed):
    chance = SeededEntropy(f"scrub {seed}")
    here, count = [], 0
    for cycle in range(300):
        for _ in range(chance.draw(1)[0] % 3):
            here.append(ref(f"file {seed} {count}"))
            text, length = str(count), 40 * chance.draw(1)[0] + 1
            for piece in range(1 + count % 3):
                data = sealed(text + str(piece), length)
                await bench.store.put(here[-1], piece, commitment(data), data)
            if count % 4:
                await bench.store.put_manifest(here[-1], text.encode())
            count += 1
        removals = len(here) if cycle == 120 + seed else chance.draw(1)[0] % 3
        for _ in range(min(removals, len(here))):
            slot = here.pop(chance.draw(1)[0] % len(here))
            await bench.store.remove(slot.file, slot.slot)
        if chance.draw(1)[0] < 10:
            await bench.open()
        for path in bench.paths():  # what is new was looked at when it came
            bench.looked.setdefault(path, bench.clock.wall())
        await bench.task.run_once()
        await bench.clock.advance(EVERY * (15 if chance.draw(1)[0] < 5 else 1))
        written = {
            path: bench.looked.setdefault(path, bench.clock.wall()) for path in bench.paths()
        }
        late = [path for path, time in written.items() if bench.clock.wall() - time > WITHIN]
        assert not late, f"cycle {cycle}"


async def test_others_get_their_turn_between_two_files(bench):
    await fill(bench.store)
    turns = []
    sleep = bench.clock.sleep

    async def counting(seconds):
        turns.append(seconds)
        await sleep(seconds)

    bench.clock.sleep = counting
    await bench.everything()
    assert len(turns) >= 9


# ---------------------------------------------------------------- the rest


async def test_each_cycle_ends_with_giving_up_what_is_overdue(bench):
    class Given:
        async def run_once(self):
            return Surrendered(((ref().file, 1),), ("slot 2: no",))

    bench.task.surrendering = Given()
    with capture_logs() as logs:
        report = await bench.task.run_once()
    assert (report.surrendered, report.problems) == (1, ("slot 2: no",))
    assert [(entry["event"], entry["slot"]) for entry in logs] == [("slot.surrendered", 1)]


@pytest.mark.parametrize(("within", "every"), [(7 * 86400.0, 60.0), (1000.0, 10.0), (1.0, 0.01)])
def test_cycles_come_often_enough(within, every):
    assert ScrubConfig(within).every == every


def test_there_must_be_time():
    with pytest.raises(ConfigError, match=r"scrub.within is 0.5 s: name the time"):
        ScrubConfig(0.5)


async def test_key_of_a_replica_is_told(bench):
    await put(bench.store, ref(), "one", 3)
    bench.box.disk.corrupt(bench.paths()[0])
    with capture_logs() as logs:
        await bench.everything()
    assert logs[0]["piece"] == 3
    assert damaged(bench.store) == [key(ref(), 3)]


async def test_what_could_not_be_looked_at_for_want_of_means_is_not_passed_over(bench):
    """A round that hashed nothing is no round."""
    await fill(bench.store)
    step = bench.box.disk.step

    def busy(operation, path):
        if operation == "read":
            raise OverloadedError(f"{path}: too many open files: try again in a few seconds")

    bench.box.disk.step = busy
    report = await bench.everything()
    assert (report.replicas, report.last_round, len(report.problems)) == (0, 0, 3)
    bench.box.disk.step = step
    report = await bench.task.run_once()
    assert (report.replicas, report.manifests, report.problems) == (6, 3, ())
