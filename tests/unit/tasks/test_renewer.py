import pytest

from xdb.errors import ConfigError, UnavailableError
from xdb.index.views import FileStatus
from xdb.model.calls import Release
from xdb.services.catalog import FileRefById
from xdb.tasks import renewer
from xdb.tasks.renewer import RenewConfig, RenewerReport, RenewerTask
from xdb.testing.network import START, network
from xdb.testing.owner import YEAR, OwnerBench
from xdb.testing.turns import turns

DAY = 86400
SOON = START + 20 * DAY


@pytest.fixture
async def bench():
    async with network() as net:
        yield OwnerBench(net)


def task(bench, *namespaces, **config):
    registry = bench.network.chain.registry(bench.network.owner, bench.network.entropy)
    return RenewerTask(
        bench.catalog, registry, RenewConfig(namespaces, **config), bench.network.clock
    )


async def upload(bench, name="file", expiry=SOON, **values):
    return await bench.upload(b"x" * 1000, bench.request(name, expiry=expiry, **values))


def expiry(bench, view):
    return bench.network.index.file(view.record.file).record.expiry


async def pass_time(bench, seconds):
    bench.network.chain.advance(seconds)
    await bench.network.caught_up()


async def test_what_expires_soon_is_renewed_and_nothing_else(bench):
    await bench.network.create_namespace("other")
    soon, later = await upload(bench), await upload(bench, "later", START + 40 * DAY)
    other = await upload(bench, "file", namespace="other")
    now = bench.network.chain.time
    assert await bench.run(task(bench, "ns").run_once()) == RenewerReport(1)
    assert expiry(bench, soon) == now + YEAR
    assert expiry(bench, later) == START + 40 * DAY
    assert expiry(bench, other) == SOON
    assert await bench.run(task(bench, "ns").run_once()) == RenewerReport()


async def test_without_namespaces_nothing_is_renewed(bench):
    view = await upload(bench)
    assert await bench.run(task(bench).run_once()) == RenewerReport()
    assert expiry(bench, view) == SOON


async def test_how_far_ahead_and_for_how_long_is_the_owners_to_say(bench):
    view = await upload(bench)
    wanted = {"ahead": 10.0 * DAY, "lifetime": 50.0 * DAY}
    assert await bench.run(task(bench, "ns", **wanted).run_once()) == RenewerReport()
    await pass_time(bench, 11 * DAY)
    now = bench.network.chain.time
    assert await bench.run(task(bench, "ns", **wanted).run_once()) == RenewerReport(1)
    assert expiry(bench, view) == now + 50 * DAY


async def test_no_file_lives_longer_than_the_chain_allows(bench):
    view = await upload(bench)
    longest = bench.network.chain.parameters.max_lifetime
    now = bench.network.chain.time
    report = await bench.run(task(bench, "ns", lifetime=2.0 * longest).run_once())
    assert report == RenewerReport(1)
    assert expiry(bench, view) == now + longest


@pytest.mark.parametrize("how", ["deleted", "expired"])
async def test_what_has_ended_is_not_brought_back(bench, how):
    view = await upload(bench)
    if how == "deleted":
        await bench.run(bench.catalog.delete(FileRefById(view.record.file)))
    else:
        await pass_time(bench, 21 * DAY)
    assert await bench.run(task(bench, "ns").run_once()) == RenewerReport()
    status = bench.network.index.status(bench.network.index.file(view.record.file))
    assert status is FileStatus[how.upper()]


async def test_a_file_that_fails_and_a_namespace_that_is_not_there_stop_nothing(bench):
    bad, good = await upload(bench, "bad", SOON - 1), await upload(bench, "good")
    accept = bench.network.fault
    failing = set(bench.network.index.file(bad.record.file).record.holders)
    left = len(failing)

    def fault(call, _node):
        nonlocal left
        if call == "accept" and left:
            left -= 1
            raise UnavailableError("no answer")

    bench.network.fault = fault
    report = await bench.run(task(bench, "nowhere", "ns").run_once())
    bench.network.fault = accept
    assert report.renewed == 1
    assert [bad.record.file.hex() in problem for problem in report.problems] == [False, True]
    assert "no namespace nowhere" in report.problems[0]
    assert (expiry(bench, bad), expiry(bench, good) > SOON) == (SOON - 1, True)
    assert (await bench.run(task(bench, "ns").run_once())).renewed == 1


async def test_those_that_fail_do_not_keep_the_others_waiting(bench, monkeypatch):
    monkeypatch.setattr(renewer, "RENEWED", 2)
    views = [await upload(bench, f"file {each}", SOON + each) for each in range(5)]
    renew = bench.catalog.renew
    tried = []

    async def stubborn(_self, ref, until):
        tried.append([view.record.file for view in views].index(ref.file))
        if tried[-1] < 2:
            raise UnavailableError("no answer")
        return await renew(ref, until)

    monkeypatch.setattr(type(bench.catalog), "renew", stubborn)
    running = task(bench, "ns")
    reports = [await bench.run(running.run_once()) for _ in range(4)]
    assert tried == [0, 1, 2, 3, 4, 0, 1]
    assert [report.renewed for report in reports] == [0, 2, 1, 0]


async def test_what_is_gone_is_released(bench):
    view, keep = await upload(bench), await upload(bench, "keep", START + YEAR)
    retention = bench.network.chain.parameters.retention
    await pass_time(bench, SOON + retention - 1 - bench.network.chain.time)
    assert await bench.run(task(bench).run_once()) == RenewerReport()
    await pass_time(bench, 1)
    assert await bench.run(task(bench).run_once()) == RenewerReport(0, 1)
    assert bench.network.index.file(view.record.file) is None
    assert bench.network.index.file(keep.record.file) is not None
    assert await bench.run(task(bench).run_once()) == RenewerReport()


async def test_so_many_are_released_in_a_cycle(bench, monkeypatch):
    monkeypatch.setattr(renewer, "RELEASED", 2)
    for each in range(5):
        await upload(bench, f"file {each}")
    await pass_time(bench, 40 * DAY)
    running = task(bench)
    assert [(await bench.run(running.run_once())).released for _ in range(4)] == [2, 2, 1, 0]


async def test_what_somebody_else_released_is_no_problem(bench):
    view = await upload(bench)
    await pass_time(bench, 40 * DAY)
    running, registry = task(bench), bench.network.chain.registry
    other = registry(bench.network.owner, bench.network.entropy)

    class Late:
        async def submit(self, call):
            await other.submit(Release(view.record.file))
            return await other.submit(call)

    running.registry = Late()
    assert await bench.run(running.run_once()) == RenewerReport()


async def test_a_chain_that_does_not_answer_is_asked_once(bench):
    for each in range(3):
        await upload(bench, f"file {each}")
    await pass_time(bench, 40 * DAY)
    running = task(bench)

    class Mute:
        async def submit(self, _call):
            raise UnavailableError("no answer")

    running.registry = Mute()
    report = await bench.run(running.run_once())
    assert (report.released, len(report.problems)) == (0, 1)


def test_files_must_live_longer_than_they_are_renewed_ahead():
    with pytest.raises(ConfigError, match="live longer"):
        RenewConfig(("ns",), ahead=10.0, lifetime=10.0)


async def test_files_of_other_namespaces_hold_up_nobody(bench):
    """However many end soon, others have their turns between pages of them."""
    await bench.network.create_namespace("other")
    for number in range(12):
        await upload(bench, f"f{number}")
    index = bench.network.index
    pages = index.expiring
    bench.catalog.index.expiring = lambda before, **wanted: pages(before, **wanted, limit=2)
    assert await turns(task(bench, "other").run_once()) >= 5
