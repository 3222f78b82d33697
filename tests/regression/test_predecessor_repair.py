"""Mistakes of PaddleDTX XuperDB in moving files between nodes.

Number 13: what was shared before a migration could not be read afterwards. Number 10: a file
that was migrated could not be renewed, or was renewed and then deleted by its nodes.
"""

import pytest

from xdb.core.manifest import check, read_manifest
from xdb.core.migration.model import Action, Step
from xdb.index.views import FileStatus
from xdb.services.catalog import FileRefById
from xdb.services.collection import Collection
from xdb.services.repair.job import Outcome
from xdb.tasks.collector import CollectorTask
from xdb.testing.network import START, network
from xdb.testing.owner import YEAR, OwnerBench

DATA = bytes(range(256)) * 1000  # four slices
MONTH = 30 * 86400


@pytest.fixture
async def net():
    async with network(members=7) as made:
        yield made


@pytest.fixture
def bench(net):
    return OwnerBench(net)


async def migrate(bench, view, action, slot=1):
    """Takes one step for a file as it is now; the slot's former node dies of a move."""
    net, record = bench.network, view.record
    target = next(node for node in net.members if node not in record.holders)
    source = None if action is Action.EXTEND else record.holders[slot - 1]
    if action is Action.MOVE:
        net.members[source].up = False
    slot = len(record.holders) + 1 if action is Action.EXTEND else slot
    step = Step(action, record.file, record.version, slot, source, target, 0, "it is time")
    done = await bench.run(bench.repairer.carry_out(step))
    assert done.outcome is Outcome.DONE
    return net.index.file(record.file)


async def migrated(bench):
    """A file of which nothing is where it was, and with a copy more."""
    view = await bench.upload(DATA)
    begun = view.record.holders
    for slot, action in ((1, Action.MOVE), (2, Action.HANDOVER), (3, Action.MOVE)):
        view = await migrate(bench, view, action, slot)
    view = await migrate(bench, view, Action.EXTEND)
    assert not set(begun) & set(view.record.holders)
    for node in begun:
        bench.network.members[node].up = False
    return view


async def check_whole(bench, view):
    found = [each async for each in bench.verification.verify(view)]
    assert len(found) == 4 * len(view.record.holders)
    assert not any(each.problem for each in found)


async def test_what_was_migrated_reads_exactly_and_its_manifest_verifies(net, bench):
    view = await migrated(bench)
    for reader in (bench, OwnerBench(net)):  # with what it remembers, and without
        assert await reader.download(view) == DATA
        assert await reader.download(view, 70_000, 100_000) == DATA[70_000:170_000]
    for slot, node in enumerate(view.record.holders, start=1):
        peer = net.peers().peer(net.index.node_record(node))
        data = await peer.pull_manifest(view.record.file, slot)
        check(read_manifest(data), view.record.manifest, view.record)
    await check_whole(OwnerBench(net), view)


@pytest.mark.parametrize("action", [Action.MOVE, Action.HANDOVER, Action.EXTEND], ids=str)
async def test_a_download_that_began_before_a_migration_ends_well(net, bench, action):
    view = await bench.upload(DATA)
    other = OwnerBench(net)
    download = await other.run(other.downloader.open(view))
    parts = other.downloader.read(download)
    read = bytes(await other.run(anext(parts)))
    await migrate(bench, view, action)

    async def rest():
        return b"".join([bytes(part) async for part in parts])

    assert read + await other.run(rest()) == DATA


async def test_any_one_copy_of_a_migrated_file_is_enough(net, bench):
    view = await migrated(bench)
    for alive in view.record.holders:
        for node in view.record.holders:
            net.members[node].up = node == alive
        assert await OwnerBench(net).download(view) == DATA


async def test_what_was_migrated_can_be_renewed(net, bench):
    view = await migrated(bench)
    ref = FileRefById(view.record.file)
    later = START + YEAR + MONTH  # beyond what any holder has accepted
    net.chain.advance(2 * MONTH)
    await net.caught_up()
    renewed = await bench.run(bench.catalog.renew(ref, later))
    assert renewed.record.expiry == later
    assert all(holding.latest_expiry >= later for holding in renewed.holdings)
    net.chain.advance(later - MONTH - net.chain.time)
    await net.caught_up()
    assert net.index.status(net.index.file(ref.file)) is FileStatus.LIVE
    for node in renewed.record.holders:
        custody = net.members[node].custody
        collector = CollectorTask(Collection(node, net.index), custody.store, net.clock)
        assert (await collector.run_once()).removed == 0
    assert await bench.download(renewed) == DATA


async def test_a_renewed_file_can_be_migrated_and_keeps_its_expiry(bench):
    view = await bench.upload(DATA, bench.request(expiry=START + MONTH))
    renewed = await bench.run(bench.catalog.renew(FileRefById(view.record.file), START + YEAR))
    moved = await migrate(bench, renewed, Action.MOVE)
    extended = await migrate(bench, moved, Action.EXTEND)
    assert extended.record.expiry == START + YEAR
    assert all(holding.latest_expiry >= START + YEAR for holding in extended.holdings)
    await check_whole(bench, extended)


async def test_what_was_deleted_and_migrated_can_be_brought_back(net, bench):
    view = await bench.upload(DATA)
    await bench.run(bench.catalog.delete(FileRefById(view.record.file)))
    await migrate(bench, net.index.file(view.record.file), Action.MOVE)
    back = await bench.run(bench.catalog.undelete(FileRefById(view.record.file), 0))
    assert net.index.status(back) is FileStatus.LIVE
    assert await bench.download(back) == DATA
