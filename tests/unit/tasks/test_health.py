import pytest
from structlog.testing import capture_logs

from xdb.model.calls import Delete, UpdateNamespace
from xdb.model.health import Change, Colour, Kind, Silence, Subject
from xdb.model.registry import Coding, Redundancy
from xdb.runtime.logging import logger
from xdb.services.health.book import HealthBook
from xdb.services.health.look import Look
from xdb.store.kv_memory import MemoryKeyValue
from xdb.tasks import health as module
from xdb.tasks.health import HealthTask
from xdb.testing.living import EPOCH, living
from xdb.testing.observed import Observed
from xdb.testing.turns import turns

GREEN, YELLOW, RED, LOST = Colour


@pytest.fixture
async def world():
    async with living() as made:
        yield made


class Bench:
    def __init__(self, world):
        self.observed, self.kv = Observed(), MemoryKeyValue()
        self.world = world
        self.restart()

    def restart(self):
        net = self.world.net
        self.book = HealthBook(self.kv)
        self.task = HealthTask(
            net.owner.address, net.index, self.observed, self.book, net.clock, logger("test")
        )

    async def silence(self, node):
        now = self.world.net.index.head.time
        self.world.net.members[node].up = False
        self.observed.silences[node] = Silence(now, now + EPOCH)
        self.world.net.chain.advance(EPOCH)
        await self.world.net.caught_up()

    def changes(self):
        return [(c.subject.kind.name, c.before, c.after) for c in self.book.changes().items]


@pytest.fixture
def bench(world):
    return Bench(world)


async def test_nothing_changes_while_all_is_well(world, bench):
    await world.bench.upload(b"x" * 1000)
    await world.epochs(2)
    report = await bench.task.run_once()
    assert (report.nodes.green, report.files.green, report.changed) == (4, 1, 0)
    assert bench.changes() == []


async def test_every_change_of_colour_is_an_event_with_cause_and_remedy(world, bench):
    view = await world.bench.upload(b"x" * 1000)
    await world.epochs(2)
    node = view.record.holders[0]
    await bench.silence(node)
    with capture_logs() as logs:
        report = await bench.task.run_once()
    assert {entry["event"] for entry in logs} == {"health.changed"}
    assert len(logs) == report.changed
    assert report.files.yellow == 1
    found = {kind: (before, after) for kind, before, after in bench.changes()}
    assert found["FILE"] == found["NAMESPACE"] == (GREEN, YELLOW)
    assert found["SYSTEM"][1] >= YELLOW
    change = next(c for c in bench.book.changes().items if c.subject.kind is Kind.FILE)
    assert node.hex() in change.cause
    assert "was not heard of" in change.cause
    assert change.remedy
    assert change.time == world.net.index.head.time
    assert (await bench.task.run_once()).changed == 0


async def test_what_heals_is_an_event_too_also_after_a_restart(world, bench):
    view = await world.bench.upload(b"x" * 1000)
    await world.epochs(2)
    await bench.silence(view.record.holders[0])
    await bench.task.run_once()
    bench.observed.silences.clear()
    bench.restart()
    await bench.task.run_once()
    assert ("FILE", YELLOW, GREEN) in bench.changes()


async def test_a_deleted_file_has_no_colour_any_more(world, bench):
    view = await world.bench.upload(b"x" * 1000)
    await world.epochs(2)
    await bench.silence(view.record.holders[0])
    await bench.task.run_once()
    assert bench.book.colour(Subject(Kind.FILE, view.record.file)) is YELLOW
    world.net.chain.call(world.net.owner.address, Delete(view.record.file))
    await world.net.caught_up()
    await bench.task.run_once()
    assert Subject(Kind.FILE, view.record.file) not in set(bench.book.coloured())
    assert bench.book.colour(Subject(Kind.NAMESPACE, view.record.namespace)) is GREEN


async def test_all_files_are_looked_at_however_many_pages_they_are(world, bench, monkeypatch):
    monkeypatch.setattr(module, "PAGE", 2)
    for number in range(5):
        await world.bench.upload(b"x", world.bench.request(f"f{number}"))
    await world.net.caught_up()
    report = await bench.task.run_once()
    assert (report.files.total, report.nodes.total) == (5, 4)


async def test_one_record_that_makes_no_sense_hides_no_other(world, bench, monkeypatch):
    bad = await world.bench.upload(b"x", world.bench.request("bad"))
    await world.bench.upload(b"y", world.bench.request("good"))
    await world.net.caught_up()
    look = Look.file

    def spoilt(self, view):
        if view.record.file == bad.record.file:
            raise LookupError("a slot of nobody")
        return look(self, view)

    monkeypatch.setattr(Look, "file", spoilt)
    report = await bench.task.run_once()
    assert report.files.total == 1
    assert report.problems[0].startswith(f"file {bad.record.file.hex()}")


async def test_a_larger_policy_makes_files_yellow_until_they_follow(world, bench):
    view = await world.bench.upload(b"x" * 1000)
    call = UpdateNamespace(view.record.namespace, None, Redundancy(Coding.COPIES, 1, 4))
    world.net.chain.call(world.net.owner.address, call)
    await world.net.caught_up()
    assert (await bench.task.run_once()).files.yellow == 1


async def test_a_node_that_is_gone_turns_red_within_the_window_and_not_days(world, bench):
    view = await world.bench.upload(b"x" * 1000)
    await world.epochs(world.net.chain.parameters.health_window)
    node = view.record.holders[0]
    await bench.task.run_once()
    world.net.members[node].up = False
    epochs = 0
    while bench.book.colour(Subject(Kind.NODE, node)) is not RED:
        epochs += 1
        await world.epochs()
        await bench.task.run_once()
    assert epochs <= world.net.chain.parameters.health_window // 2 + 2


async def test_a_look_leaves_its_sums(world, bench):
    view = await world.bench.upload(b"x" * 1000)
    assert bench.book.latest is None
    report = await bench.task.run_once()
    latest = bench.book.latest
    assert (latest.time, latest.files) == (world.net.index.head.time, report.files)
    assert latest.namespaces == {view.record.namespace: report.files}
    assert latest.sums[Subject(Kind.SYSTEM)].colour is GREEN


async def test_forgetting_what_is_no_more_holds_up_nobody(world, bench):
    await world.begin_epoch()
    usual = await turns(bench.task.run_once())
    gone = [Subject(Kind.FILE, number.to_bytes(32, "big")) for number in range(5000)]
    await bench.book.write(Change(1, each, GREEN, RED, "cause", "remedy") for each in gone)
    assert await turns(bench.task.run_once()) >= usual + len(gone) // 500
    assert not set(bench.book.coloured()) & set(gone)
