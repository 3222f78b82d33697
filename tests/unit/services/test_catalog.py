"""The daily verbs of an owner."""

import pytest

from xdb.errors import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    PlacementError,
    RefusedCallError,
    UnavailableError,
    XdbError,
)
from xdb.index.views import FileStatus
from xdb.model.ids import FileId
from xdb.model.registry import Coding, Redundancy
from xdb.services.catalog import FileRefById, FileRefByName
from xdb.testing.keys import NamedKey
from xdb.testing.owner import START, YEAR, OwnerBench

DATA = b"some bytes\0\0\0"
FILE = FileRefByName("ns", "file")
THREE = Redundancy(Coding.COPIES, 1, 3)


@pytest.fixture
async def view(bench):
    return await bench.upload(DATA, bench.request(description="what it is"))


async def advance(net, seconds):
    net.chain.advance(seconds)
    net.heartbeats()
    await net.caught_up()


async def test_a_file_is_found_by_name_and_by_id(bench, view):
    assert bench.catalog.find(FILE) == view
    assert bench.catalog.find(FileRefById(view.record.file)) == view
    details = bench.catalog.details(view)
    assert (details.label.name, details.label.description) == ("file", "what it is")
    assert details.status is FileStatus.LIVE


@pytest.mark.usefixtures("view")
async def test_others_find_nothing(net, bench):
    for ref in (FileRefByName("ns", "other"), FileRefById(FileId(bytes(32)))):
        with pytest.raises(NotFoundError, match="xdb-cli ls"):
            bench.catalog.find(ref)
    with pytest.raises(NotFoundError, match="xdb-cli ns create none"):
        bench.catalog.find(FileRefByName("none", "file"))
    theirs = OwnerBench(net)
    theirs.catalog.owner = NamedKey("somebody").address
    with pytest.raises(NotFoundError):
        theirs.catalog.find(FileRefById(bench.catalog.find(FILE).record.file))


async def test_deleting_frees_the_name_and_undeleting_takes_it_back(net, bench, view):
    deleted = await bench.catalog.delete(FILE)
    assert net.index.status(deleted) is FileStatus.DELETED
    assert bench.catalog.find(FILE).record.file == view.record.file
    back = await bench.catalog.undelete(FILE, 0)
    assert back.record.expiry == view.record.expiry
    assert await bench.download(back) == DATA


async def test_a_name_taken_meanwhile_is_not_taken_back(bench, view):
    await bench.catalog.delete(FILE)
    await bench.upload(b"new", bench.request())
    with pytest.raises(ConflictError, match="choose another name"):
        await bench.catalog.undelete(FileRefById(view.record.file), 0)


@pytest.mark.usefixtures("view")
async def test_what_lives_cannot_be_brought_back(bench):
    with pytest.raises(ConflictError, match="is live"):
        await bench.catalog.undelete(FILE, 0)


async def test_renaming_keeps_the_file_and_its_description(bench, view):
    renamed = await bench.catalog.rename(FILE, "better/name", None)
    details = bench.catalog.details(renamed)
    assert (details.label.name, details.label.description) == ("better/name", "what it is")
    assert bench.catalog.find(FileRefByName("ns", "better/name")).record.file == view.record.file
    with pytest.raises(NotFoundError):
        bench.catalog.find(FILE)


@pytest.mark.usefixtures("view")
async def test_renaming_to_a_taken_or_bad_name_is_refused(bench):
    await bench.upload(b"x", bench.request("taken"))
    with pytest.raises(ConflictError, match="choose another name"):
        await bench.catalog.rename(FILE, "taken", None)
    for name in ("../x", "", "a\nb"):
        with pytest.raises(InvalidRequestError):
            await bench.catalog.rename(FILE, name, None)


# ---------------------------------------------------------------- renewal


async def test_renewing_beyond_what_holders_accepted_asks_them(net, bench, view):
    net.calls.clear()
    later = view.record.expiry + YEAR
    renewed = await bench.catalog.renew(FILE, later)
    assert renewed.record.expiry == later
    assert [call for call, _ in net.calls].count("accept") == 3
    net.calls.clear()
    assert all(holding.latest_expiry >= later for holding in renewed.holdings)


async def test_an_expired_file_comes_back_during_retention_and_then_no_more(net, bench, view):
    await advance(net, YEAR + 1)
    assert net.index.status(view) is FileStatus.EXPIRED
    renewed = await bench.catalog.renew(FILE, START + 3 * YEAR)
    assert await bench.download(renewed) == DATA
    await advance(net, 2 * YEAR + net.chain.parameters.retention)
    with pytest.raises(XdbError):
        await bench.catalog.renew(FileRefById(view.record.file), START + 9 * YEAR)


async def test_undeleting_what_expired_too_needs_a_time(net, bench):
    await bench.upload(DATA, bench.request(expiry=START + 4000))
    await bench.catalog.delete(FILE)
    await advance(net, 5000)
    with pytest.raises(InvalidRequestError, match="say until when"):
        await bench.catalog.undelete(FILE, 0)
    back = await bench.catalog.undelete(FILE, START + YEAR)
    assert await bench.download(back) == DATA


async def test_a_holder_that_does_not_answer_is_named(net, bench, view):
    net.members[view.record.holders[1]].up = False
    with pytest.raises(UnavailableError, match=rf"slot 2 .node {view.record.holders[1].hex()}"):
        await bench.catalog.renew(FILE, view.record.expiry + YEAR)
    assert bench.catalog.find(FILE).record.expiry == view.record.expiry


@pytest.mark.usefixtures("view")
async def test_an_earlier_expiry_is_no_renewal(bench):
    with pytest.raises(RefusedCallError, match="earlier"):
        await bench.catalog.renew(FILE, START + 10)


# ---------------------------------------------------------------- namespaces


async def test_a_namespace_is_made_described_and_changed(bench):
    made = await bench.namespaces.create("photos", "of birds", THREE)
    assert (made.label.name, made.label.description) == ("photos", "of birds")
    assert bench.catalog.namespace_name(made.view.record.namespace) == "photos"
    two = Redundancy(Coding.COPIES, 1, 2)
    changed = await bench.namespaces.update("photos", "of bees", two)
    assert (changed.label.description, changed.view.record.redundancy) == ("of bees", two)


async def test_a_policy_above_the_usable_nodes_is_refused_with_the_reason(net, bench):
    next(iter(net.members.values())).up = False
    with pytest.raises(
        PlacementError, match=r"needs as many nodes, 3 are usable .*does not answer"
    ):
        await bench.namespaces.create("wide", "", Redundancy(Coding.COPIES, 1, 4))


async def test_a_namespace_is_made_once(bench):
    await bench.namespaces.create("photos", "", THREE)
    with pytest.raises(ConflictError, match="namespace photos exists"):
        await bench.namespaces.create("photos", "", THREE)
    with pytest.raises(InvalidRequestError, match="nothing to change"):
        await bench.namespaces.update("photos", None, None)


# ---------------------------------------------------------------- verification


async def test_verify_names_what_is_wrong_with_which_replica(net, bench, view):
    bad, dead = view.record.holders[:2]
    disk = net.members[bad].disk
    disk.corrupt(disk.files("replicas")[0])
    net.members[dead].up = False
    problems = {check.slot: check.problem async for check in bench.verification.verify(view)}
    assert problems[1] == "its bytes are other ones"
    assert "does not answer" in problems[2]
    assert problems[3] == ""
