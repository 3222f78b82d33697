import pytest

from xdb.errors import InvalidRequestError, NotFoundError
from xdb.index.views import AuditCounts
from xdb.model.calls import Surrender
from xdb.model.health import Verdict
from xdb.services.history import DAY, AuditFilter, History, audit_id
from xdb.testing.living import EPOCH, living


@pytest.fixture
async def world():
    async with living() as made:
        yield made


@pytest.fixture
def history(world):
    return History(world.net.index, world.bench.catalog)


async def uploaded(world, epochs=3, name="file"):
    view = await world.bench.upload(b"x" * 100_000, world.bench.request(name))
    await world.epochs(epochs)
    await world.begin_epoch()
    return view


def found(history, **wanted):
    return [(view.epoch, view.node) for view in history.audits(AuditFilter(**wanted)).items]


async def test_audits_of_nodes_that_hold_files_of_the_owner(world, history):
    view = await uploaded(world)
    holders = sorted(view.record.holders, reverse=True)
    assert found(history) == [(epoch, node) for epoch in (3, 2) for node in holders]
    assert found(history, everybody=True) == found(history)
    node = view.record.holders[0]
    assert found(history, node=node) == [(3, node), (2, node)]
    assert found(history, verdict=Verdict.MISSED) == []
    assert history.count(AuditFilter()) == AuditCounts({Verdict.PROVED: 6}, b"")
    assert history.count(AuditFilter(verdict=Verdict.MISSED)) == AuditCounts({}, b"")


async def test_times_mean_epochs_that_begin_in_them(world, history):
    await uploaded(world)
    start = world.net.chain.parameters.start_of
    assert {epoch for epoch, _ in found(history, since=start(3))} == {3}
    assert {epoch for epoch, _ in found(history, since=start(2) + 1)} == {3}
    assert {epoch for epoch, _ in found(history, until=start(3))} == {2}
    assert {epoch for epoch, _ in found(history, until=start(3) + 1)} == {2, 3}


async def test_audits_of_a_file_begin_when_each_node_took_it_on(world, history):
    view = await uploaded(world)
    late = await uploaded(world, name="late")
    file = world.net.index.file(late.record.file)
    first = world.net.chain.parameters.epoch_at(file.record.published) + 2
    for epoch, node in found(history, file=file):
        assert epoch >= first
        assert node in late.record.holders
    assert found(history, file=file)
    counts = history.count(AuditFilter(file=file)).by_verdict
    assert counts == {Verdict.PROVED: len(found(history, file=file))}
    node = file.record.holders[0]
    assert {each for _, each in found(history, file=file, node=node)} == {node}
    assert found(history, file=file, node=world.net.owner.node) == []
    old = world.net.index.file(view.record.file)
    assert min(epoch for epoch, _ in found(history, file=old)) == 2


async def test_one_audit_by_its_id(world, history):
    view = await uploaded(world)
    audit = history.audits(AuditFilter()).items[0]
    details = history.audit(audit_id(audit))
    assert details.view == audit
    assert (details.ends - details.starts, details.seed) == (EPOCH, None)
    open_ = history.audit(f"{world.epoch}-{view.record.holders[0].hex()}")
    assert (open_.view.verdict, open_.view.is_open) == (None, True)
    assert open_.seed == world.net.index.audits.seed()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "17",
        "x-ab",
        "1-abcd",
        "-" + "ab" * 20,
        "1-" + "zz" * 20,
        f"{2**64}-" + "ab" * 20,
        "-1-" + "ab" * 20,
        "1_0-" + "ab" * 20,
    ],
)
async def test_what_is_no_audit(history, text):
    with pytest.raises(InvalidRequestError, match="is no audit"):
        history.audit(text)


async def test_an_audit_that_there_was_not(world, history):
    view = await uploaded(world)
    for epoch in (0, 2**64 - 1):
        with pytest.raises(NotFoundError, match="asked nothing"):
            history.audit(f"{epoch}-{view.record.holders[0].hex()}")


async def test_days_of_a_node(world, history):
    view = await uploaded(world, epochs=30)
    node = view.record.holders[0]
    days = history.days(node, 7)
    assert len(days) in {2, 3}
    assert sum(day.audits.get(Verdict.PROVED, 0) for day in days) == 29
    assert sum(day.heartbeats.seen for day in days) == 31
    assert all(day.heartbeats.start % DAY == 0 for day in days)
    assert len(history.days(node, 1)) == 1
    for bad in (0, 367):
        with pytest.raises(InvalidRequestError):
            history.days(node, bad)
    with pytest.raises(NotFoundError, match="no node"):
        history.days(world.net.owner.node, 7)


async def test_migrations_have_names_when_they_are_the_owners(world, history):
    view = await uploaded(world)
    node = view.record.holders[1]
    key = world.net.members[node].key
    world.net.chain.call(key.address, Surrender(node, view.record.file, 2))
    await world.net.caught_up()
    await world.care()
    (moved,) = history.migrations().items
    assert (moved.slot, moved.source) == (2, node)
    assert history.file_name(moved.file) == "ns/file"
    assert history.file_name(type(moved.file)(bytes(32))) == ""
    assert history.migrations(moved.target).items == (moved,)
    assert history.address(node).startswith("node-")


async def test_an_owner_without_files_sees_no_audits_but_everybodys(world):
    await uploaded(world)
    stranger = History(world.net.index, world.bench.catalog)
    world.bench.catalog.owner = world.net.members[next(iter(world.net.members))].key.address
    assert found(stranger) == []
    assert len(found(stranger, everybody=True)) == 6
