"""Download: exactly the bytes that went up, or an error; never anything else."""

import pytest

from xdb.errors import ExpiredError, InvalidRequestError, UnavailableError
from xdb.model.calls import Delete
from xdb.services.fetching import HEDGE_AFTER
from xdb.testing.owner import SLICE, YEAR, OwnerBench

BODY = SLICE - 16
DATA = bytes(range(256)) * 1000  # four slices


@pytest.fixture
async def view(bench):
    return await bench.upload(DATA)


@pytest.mark.parametrize(
    ("offset", "length"),
    [
        (0, None),
        (0, 0),
        (5, 10),
        (BODY - 1, 2),
        (BODY, BODY),
        (2 * BODY + 7, None),
        (len(DATA) - 1, 1),
        (len(DATA), 0),
        (len(DATA), None),
    ],
)
async def test_ranges(net, bench, view, offset, length):
    net.calls.clear()
    end = len(DATA) if length is None else offset + length
    assert await bench.download(view, offset, length) == DATA[offset:end]
    touched = len(range(offset // BODY, -(-end // BODY))) if end > offset else 0
    assert [call for call, _ in net.calls].count("pull") == touched


@pytest.mark.parametrize(("offset", "length"), [(len(DATA) + 1, None), (0, len(DATA) + 1)])
async def test_ranges_outside_are_refused(bench, view, offset, length):
    with pytest.raises(InvalidRequestError, match=f"the file has {len(DATA)} bytes"):
        await bench.download(view, offset, length)


async def test_load_spreads_over_the_holders(net, bench, view):
    net.calls.clear()
    await bench.download(view)
    assert len({node for call, node in net.calls if call == "pull"}) > 1


@pytest.mark.parametrize("alive", range(3))
async def test_any_one_holder_is_enough(net, bench, view, alive):
    for number, node in enumerate(view.record.holders):
        net.members[node].up = number == alive
    assert await bench.download(view) == DATA


async def test_without_a_holder_it_says_what_each_of_them_said(net, bench, view):
    for node in view.record.holders:
        net.members[node].up = False
    with pytest.raises(UnavailableError) as caught:
        await bench.download(view)
    assert all(node.hex() in str(caught.value) for node in view.record.holders)


async def test_holders_that_fail_in_the_middle_are_passed_over(net, bench, view):
    count = 0

    def fault(call, _node):
        nonlocal count
        if call == "pull":
            count += 1
            if count % 2:
                raise UnavailableError("connection reset")

    net.fault = fault
    assert await bench.download(view) == DATA
    assert bench.last_download.fetcher.problems


def flip(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda data: flip(data, 0),
        lambda data: flip(data, -1 % len(data)),
        lambda data: data[:-1],
        lambda data: data + b"x",
        lambda _: b"",
        lambda data: bytes(len(data)),
    ],
)
async def test_wrong_bytes_are_never_returned_and_the_guilty_are_named(net, bench, view, wrong):
    liar = view.record.holders[0]
    net.tamper = lambda data, node: wrong(data) if node == liar else data
    assert await bench.download(view) == DATA
    problems = bench.last_download.fetcher.problems
    assert problems
    assert all("slot 1" in problem for problem in problems)


async def test_when_all_lie_there_is_an_error(net, bench, view):
    net.tamper = lambda data, _node: flip(data, 3)
    with pytest.raises(UnavailableError):
        await bench.download(view)


async def test_a_manifest_of_another_file_is_not_believed(net, bench, view):
    other = await bench.upload(DATA[::-1], bench.request("other"))
    theirs = (await bench.opener.open(other)).data
    net.tamper = lambda data, _node: theirs if len(data) == len(theirs) else data
    with pytest.raises(UnavailableError, match="manifest"):
        await OwnerBench(net).download(view)


async def test_a_slow_holder_is_not_waited_for(net, bench, view):
    slow = set()

    class Slow:
        def __init__(self, peer):
            self.peer = peer

        def __getattr__(self, name):
            return getattr(self.peer, name)

        async def pull(self, key, offset=0, length=0):
            if not slow or self.peer.node in slow:
                slow.add(self.peer.node)
                await net.clock.sleep(100 * HEDGE_AFTER)
            return await self.peer.pull(key, offset, length)

    peers = bench.opener.peers
    object.__setattr__(
        bench.opener, "peers", type("Peers", (), {"peer": lambda _, n: Slow(peers.peer(n))})()
    )
    began = net.clock.monotonic()
    assert await bench.download(view) == DATA
    assert net.clock.monotonic() - began < 50 * HEDGE_AFTER


# ---------------------------------------------------------------- expiry


async def test_a_deleted_file_is_not_read_and_the_way_back_is_named(net, bench, view):
    net.chain.call(net.owner.address, Delete(view.record.file))
    await net.caught_up()
    with pytest.raises(ExpiredError, match=r"was deleted at .*xdb-cli undelete"):
        await bench.download(net.index.file(view.record.file))


async def test_an_expired_file_is_not_read_and_the_way_back_is_named(net, bench, view):
    net.chain.advance(YEAR)
    await net.caught_up()
    with pytest.raises(ExpiredError, match=r"expired at .*xdb-cli renew"):
        await bench.download(view)
    net.chain.advance(net.chain.parameters.retention)
    await net.caught_up()
    with pytest.raises(ExpiredError, match="is gone since"):
        await bench.download(view)


# ---------------------------------------------------------------- erasure coding


@pytest.fixture
async def coded(net, bench):
    await net.create_namespace("coded", 4, 2)
    return await bench.upload(DATA, bench.request(namespace="coded"))


@pytest.mark.parametrize("down", [(0, 1), (0, 3), (2, 3), (1,), ()])
async def test_any_two_of_four_pieces_restore_a_coded_file(net, bench, coded, down):
    for number in down:
        net.members[coded.record.holders[number]].up = False
    assert await bench.download(coded) == DATA


async def test_a_liar_among_coded_holders_is_found(net, bench, coded):
    liar = coded.record.holders[1]
    net.tamper = lambda data, node: flip(data, 9) if node == liar else data
    assert await bench.download(coded) == DATA
    assert all("slot 2" in problem for problem in bench.last_download.fetcher.problems)


async def test_fewer_than_required_is_an_error(net, bench, coded):
    for node in coded.record.holders[:3]:
        net.members[node].up = False
    with pytest.raises(UnavailableError, match="2 of 4 holders are needed"):
        await bench.download(coded)
