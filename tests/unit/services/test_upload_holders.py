"""Holders that fail, lie or lose, in the middle of an upload."""

import asyncio
from dataclasses import replace

import pytest

from xdb.errors import PlacementError, RefusedCallError, UnavailableError
from xdb.model.calls import SetNodeState
from xdb.model.refusal import Refusal
from xdb.model.registry import Coding, NodeState, Redundancy
from xdb.services.upload.request import Stage
from xdb.services.upload.sending import UploadConfig
from xdb.testing.keys import NamedKey
from xdb.testing.network import network
from xdb.testing.owner import OwnerBench, chunks

DATA = bytes(range(256)) * 1000  # four slices


def spoil(net, **changes):
    """Replaces what one node does: `receipts` or `longest` of its custody."""
    member = next(iter(net.members.values()))
    member.custody = replace(member.custody, **changes)
    return member.node


def forged(member, **changes):
    """A receipt maker of a node that signs something else than it should."""

    honest = member.custody.receipts

    class Forging:
        signer = honest.signer

        def make(self, slot, root, commitments, terms):
            return replace(honest.make(slot, root, commitments, terms), **changes)

    return Forging()


@pytest.mark.parametrize(
    "changes",
    [
        {"root": bytes(32)},
        {"size": 1},
        {"leaves": 1},
        {"replica_leaves": 1},
        {"valid_until": 0},
        {"signature": bytes(64) + b"\1"},
        {"latest_expiry": 1 << 40},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_a_receipt_that_is_no_good_costs_the_holder_its_slot(net, bench, changes):
    member = next(iter(net.members.values()))
    liar = spoil(net, receipts=forged(member, **changes))
    for number in range(3):  # one of them is placed on the liar at first
        view = await bench.upload(DATA, bench.request(f"f{number}"))
        assert liar not in view.record.holders
        assert await bench.download(view) == DATA
    assert any(liar.hex() in note for note in bench.notes())


async def test_a_node_that_does_not_accept_so_long_is_passed_over(net, bench):
    hasty = spoil(net, longest=3600)
    for number in range(3):
        view = await bench.upload(DATA, bench.request(f"f{number}"))
        assert hasty not in view.record.holders
    assert any("choose an earlier expiry" in note for note in bench.notes())


async def test_a_receipt_of_another_signer_is_not_taken(net, bench):
    member = next(iter(net.members.values()))
    thief = replace(member.custody.receipts, signer=NamedKey("thief"))

    class Passing:
        signer = member.custody.receipts.signer
        make = staticmethod(thief.make)

    liar = spoil(net, receipts=Passing())
    view = await bench.upload(DATA)
    assert liar not in view.record.holders


async def test_two_nodes_lost_at_once_are_both_replaced():
    async with network(members=5) as net:
        bench = OwnerBench(net)
        pushed = []

        def fault(call, _node):
            if call == "push":
                pushed.append(1)
                if len(pushed) == 5:
                    slots = net.index.nodes()
                    for view in slots[:2]:
                        net.members[view.record.node].up = False

        net.fault = fault
        view = await bench.upload(DATA)
        assert all(net.members[node].up for node in view.record.holders)
        checks = [check async for check in bench.verification.verify(view)]
        assert [check.problem for check in checks] == [""] * 12


async def test_a_new_holder_that_fails_too_is_replaced_again():
    async with network(members=6) as net:
        bench = OwnerBench(net)
        dying = set()

        def fault(call, node):
            if call == "push" and (node in dying or len(dying) < 3):
                dying.add(node)
                raise UnavailableError("gone")

        net.fault = fault
        view = await bench.upload(DATA)
        assert not dying & set(view.record.holders)
        assert len(dying) == 3
        assert await bench.download(view) == DATA


async def test_a_source_of_remaking_that_lies_is_not_believed(net, bench):
    """The third slot's node dies; one of the other two gives back wrong bytes."""
    pushed, liar = [], []

    def fault(call, node):
        if call == "push":
            pushed.append(node)
            if len(pushed) == 8:
                net.members[node].up = False
                liar.extend(other for other in pushed if other != node)

    net.fault = fault
    net.tamper = lambda data, node: bytes(len(data)) if liar and node == liar[0] else data
    view = await bench.upload(DATA)
    net.tamper = lambda data, _node: data
    checks = [check async for check in bench.verification.verify(view)]
    assert [check.problem for check in checks] == [""] * 12


async def test_erasure_coded_slots_are_made_again_bit_for_bit():
    async with network(members=6) as net:
        bench = OwnerBench(net)
        await net.create_namespace("coded", 4, 2)
        pushed = []

        def fault(call, node):
            if call == "push":
                pushed.append(node)
                if len(pushed) == 6:
                    net.members[node].up = False

        net.fault = fault
        view = await bench.upload(DATA, bench.request(namespace="coded"))
        checks = [check async for check in bench.verification.verify(view)]
        assert len(checks) == 16
        assert not any(check.problem for check in checks)


async def test_a_failed_upload_leaves_no_work_and_no_memory_behind(net, bench):
    def fault(call, _node):
        if call == "push":
            raise UnavailableError("no")

    net.fault = fault
    with pytest.raises(PlacementError):
        await bench.upload(DATA)
    calls = len(net.calls)
    await net.clock.advance(60)
    assert len(net.calls) == calls
    assert bench.uploader.sending.budget.used == 0
    assert bench.uploader.open_uploads == 0


async def test_a_client_that_goes_away_leaves_no_work_and_no_memory_behind(net, bench):
    bench.limit_uploads(UploadConfig(window=1, large=1))

    async def source():
        async for chunk in chunks(DATA):
            yield chunk
        await asyncio.Event().wait()

    task = asyncio.ensure_future(
        bench.uploader.upload(bench.request(), source(), bench.reports.append)
    )
    await net.clock.advance(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await net.clock.advance(60)
    assert bench.uploader.sending.budget.used == 0
    assert bench.uploader.sending.desks._value == 1
    assert await bench.download(await bench.upload(DATA)) == DATA


async def test_a_failing_holder_is_noticed_though_the_client_is_slow(net, bench):
    net.fault = lambda call, _node: net.members[_node].__setattr__("up", call != "push")

    async def source():
        async for chunk in chunks(DATA):
            yield chunk
        await asyncio.Event().wait()

    with pytest.raises(PlacementError):
        await bench.run(bench.uploader.upload(bench.request(), source(), bench.reports.append))


# ---------------------------------------------------------------- publishing


async def test_two_that_replace_the_same_file_both_get_through(net, bench):
    await bench.upload(b"one")
    views = await bench.run(
        asyncio.gather(
            *(
                bench.uploader.upload(
                    bench.request(replace=True), chunks(data), bench.reports.append
                )
                for data in (b"two", b"three", b"four")
            )
        )
    )
    live = net.index.files(net.owner.address).items
    assert len(live) == 1
    assert live[0].record.file in {view.record.file for view in views}


async def test_a_refusal_that_nothing_can_be_done_about_is_told(net, bench):
    class Refusing:
        async def publish(self, _file):
            raise RefusedCallError(Refusal.TOO_LARGE, "too large")

    object.__setattr__(bench.uploader.recording, "publisher", Refusing())
    with pytest.raises(RefusedCallError, match="too large"):
        await bench.upload(DATA)
    assert net.index.files(net.owner.address).items == ()


async def test_a_namespace_whose_policy_grew_above_the_nodes_is_refused(net, bench):
    five = Redundancy(Coding.COPIES, 1, 5)
    await net.create_namespace("wide", five.total)
    with pytest.raises(PlacementError, match="5 storage nodes are needed, 4 of 4"):
        await bench.upload(DATA, bench.request(namespace="wide"))


# ---------------------------------------------------------------- holders that go away in order


@pytest.mark.parametrize("state", [NodeState.OFFLINE, NodeState.DRAINING], ids=lambda s: s.name)
async def test_a_holder_that_goes_away_behind_its_receipt_is_replaced(net, bench, state):
    """The chain refuses it as a holder, though its receipt is good."""
    gone = []

    def report(progress):
        if progress.stage is Stage.STORED and not gone:
            gone.append(next(node for call, node in net.calls if call == "accept"))
            net.chain.call(net.members[gone[0]].key.address, SetNodeState(state))
        bench.reports.append(progress)

    uploading = bench.uploader.upload(bench.request(), chunks(DATA), report)
    view = await bench.run(uploading)
    assert len(gone) == 1
    assert gone[0] not in view.record.holders
    assert await bench.download(view) == DATA
