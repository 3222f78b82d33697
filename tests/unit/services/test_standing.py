"""Whom downloads ask first, and what they remember of each other."""

import asyncio
from collections import Counter

import pytest

from xdb.errors import UnavailableError
from xdb.model.calls import SetNodeState
from xdb.model.registry import NodeState
from xdb.services.download import DownloadConfig, Downloader
from xdb.services.manifests import HEDGE_AFTER
from xdb.services.opening import Opener
from xdb.services.standing import GRUDGE
from xdb.testing.compute import InlineCompute
from xdb.testing.owner import OwnerBench

DATA = bytes(range(256)) * 4000  # sixteen slices


@pytest.fixture
async def view(bench):
    return await bench.upload(DATA)


def pulled(net):
    return Counter(node for call, node in net.calls if call == "pull")


async def test_the_load_is_spread_over_the_holders(net, bench, view):
    net.calls.clear()
    await bench.download(view)
    assert set(pulled(net)) == set(view.record.holders)
    assert all(4 <= count <= 7 for count in pulled(net).values())


async def test_who_failed_is_left_alone_for_a_while(net, bench, view):
    dead = view.record.holders[1]
    net.members[dead].up = False
    await bench.download(view)
    net.calls.clear()
    for _ in range(3):
        assert await bench.download(view) == DATA
    assert dead not in pulled(net)
    await net.clock.advance(GRUDGE)
    net.members[dead].up = True
    await bench.download(view)
    assert dead in pulled(net)


async def test_who_left_is_asked_last(net, bench, view):
    gone = view.record.holders[0]
    net.chain.call(net.members[gone].key.address, SetNodeState(NodeState.OFFLINE))
    await net.caught_up()
    net.calls.clear()
    assert await bench.download(view) == DATA
    assert gone not in pulled(net)
    for node in view.record.holders[1:]:
        net.members[node].up = False
    assert await bench.download(view) == DATA


async def test_a_manifest_is_asked_for_once(net, view):
    reader = OwnerBench(net)
    for start in range(0, len(DATA), 50_000):
        part = DATA[start : start + 50_000]
        assert await reader.download(view, start, len(part)) == part
    assert sum(call == "pull_manifest" for call, _ in net.calls) == 1


async def test_manifests_are_kept_within_bounds(net, bench, view, monkeypatch):
    other = await bench.upload(DATA[:200_000], bench.request("other"))
    reader = OwnerBench(net).opener
    size = len((await reader.open(view)).data)
    monkeypatch.setattr("xdb.services.manifests.KEPT", 4 * size)
    for _ in range(3):
        await reader.open(view)
        await reader.open(other)
    assert reader.manifests._size <= 4 * size
    assert len(reader.manifests._kept) == 2


class Silent:
    """Peers of which some do not answer for a long time."""

    def __init__(self, net, silent):
        self.net, self.silent, self.peers = net, silent, net.peers()

    def peer(self, record):
        peer = self.peers.peer(record)
        return _Mute(self.net, peer) if record.node in self.silent else peer


class _Mute:
    def __init__(self, net, peer):
        self.net, self.peer = net, peer

    async def pull_manifest(self, *_):
        await self.net.clock.sleep(1000)
        raise UnavailableError("timed out")

    pull = pull_manifest


async def test_silent_holders_cost_one_pause_and_are_passed_over_then(net, bench, view):
    silent = set(view.record.holders[:2])
    opener = Opener(
        net.index, Silent(net, silent), net.owner, InlineCompute(), net.clock, net.spawn
    )
    downloader = Downloader(net.index, opener, InlineCompute(), net.clock, net.spawn)

    async def read():
        download = await downloader.open(view)
        return b"".join([bytes(part) async for part in downloader.read(download)])

    before = net.clock.monotonic()
    assert await bench.run(read()) == DATA
    assert net.clock.monotonic() - before < 5 * HEDGE_AFTER
    before = net.clock.monotonic()
    assert await bench.run(read()) == DATA
    assert net.clock.monotonic() - before < HEDGE_AFTER


# ---------------------------------------------------------------- memory


def downloader(net, bench, **config):
    return Downloader(
        net.index,
        bench.opener,
        InlineCompute(),
        net.clock,
        net.spawn,
        DownloadConfig(**config),
    )


async def test_all_downloads_together_read_ahead_within_bounds(net, bench, view):
    made = downloader(net, bench, window=4, memory=6 * (64 << 10))
    used = []

    async def read():
        parts = []
        async for part in made.read(await made.open(view)):
            used.append(made._budget.used)
            parts.append(bytes(part))
            await asyncio.sleep(0)
        return b"".join(parts)

    found = await bench.run(asyncio.gather(*(read() for _ in range(4))))
    assert found == [DATA] * 4
    # whatever the bound, each of the four has the slice it gives and the next one
    assert max(used) <= (6 + 4 * 2 * 2) * (64 << 10)
    assert made._budget.used == 0


async def test_a_reader_that_goes_away_leaves_nothing_behind(net, bench, view):
    made = downloader(net, bench, window=4)
    parts = made.read(await made.open(view))
    await anext(parts)
    await parts.aclose()
    assert made._budget.used == 0
    calls = len(net.calls)
    await net.clock.advance(60)
    assert len(net.calls) == calls


async def test_an_error_gives_everything_back(net, bench, view):
    made = downloader(net, bench)
    parts = made.read(await made.open(view))
    await anext(parts)
    for node in view.record.holders:
        net.members[node].up = False
    with pytest.raises(UnavailableError):
        async for _ in parts:
            pass
    assert made._budget.used == 0
