"""Repairs that meet others or end in the middle, and what they take."""

import asyncio
from dataclasses import replace

import pytest

from xdb.core.migration.model import Action
from xdb.errors import MissingPiecesError, RefusedCallError, UnavailableError
from xdb.model.calls import Delete, Release, SetNodeState
from xdb.model.registry import NodeState
from xdb.model.storage import ReplicaKey
from xdb.services.repair.job import Outcome, RepairConfig
from xdb.testing.network import network
from xdb.testing.owner import OwnerBench
from xdb.testing.repair import carried_out, count, now, problems, step_for

DATA = bytes(range(256)) * 1000  # four slices
LONG = DATA * 5


async def check_whole(bench, view, data=DATA):
    """Every replica is good and the file reads as it was."""
    view = now(bench.network, view)
    assert await problems(bench, view) == []
    assert await bench.download(view) == data
    return view


# ------------------------------------------------------------------ out of date, and two at once


async def test_a_record_that_changed_is_left_alone(net, bench):
    view = await bench.upload(DATA)
    step = step_for(net, view)
    await carried_out(bench, step)
    height, calls = net.chain.head.height, len(net.calls)
    for action in (Action.MOVE, Action.HANDOVER, Action.EXTEND):
        done = await carried_out(bench, step_for(net, view, action, target=step.source))
        assert done.outcome is Outcome.OUT_OF_DATE
    restore = replace(step, action=Action.RESTORE, target=step.source)
    assert (await carried_out(bench, restore)).outcome is Outcome.OUT_OF_DATE
    assert (net.chain.head.height, len(net.calls)) == (height, calls)


async def test_a_file_that_is_gone_is_left_alone(net, bench):
    view = await bench.upload(DATA)
    net.chain.call(net.owner.address, Delete(view.record.file))
    await net.caught_up()
    calls = len(net.calls)
    done = await carried_out(bench, step_for(net, view, Action.EXTEND))
    assert done.outcome is Outcome.OUT_OF_DATE
    assert len(net.calls) == calls
    net.chain.advance(net.chain.parameters.retention)
    await net.caught_up()
    assert (await carried_out(bench, step_for(net, view))).outcome is Outcome.OUT_OF_DATE
    net.chain.call(net.owner.address, Release(view.record.file))
    await net.caught_up()
    assert (await carried_out(bench, step_for(net, view))).outcome is Outcome.OUT_OF_DATE


@pytest.fixture
async def raced(net, bench):
    """A file, and a race for it that `run` lets another repairer win."""
    await net.add_member("node-4")
    return Race(net, await bench.upload(LONG))


class Race:
    """Two steps planned for the same version, the rival's for the second slot."""

    def __init__(self, net, view):
        self.net, self.view, self.seen = net, view, []
        mine, rivals = [node for node in net.members if node not in view.record.holders]
        self.target = mine
        self.rival = step_for(net, view, slot=2, target=rivals)

    async def run(self, action, before, *, failing=False):
        """My step; the rival's is taken before my call number so and so of that name."""
        self.net.calls.clear()
        race, other = self, OwnerBench(self.net)

        class Peers:
            def peer(self, record):
                return _Halting(race.net.peers().peer(record), halt)

        won, turn = [], asyncio.Lock()

        async def halt(name):
            async with turn:  # while the rival is at it, all of my calls wait
                self.seen.append(name)
                if (name, self.seen.count(name)) == before:
                    won.append(await other.repairer.carry_out(self.rival))
                    self.net.calls.clear()
            if won and failing:
                raise UnavailableError("and the node is gone, too")

        class NoCalls:
            deployment = self.net.chain.deployment  # and nothing else: no call is made

        mine = OwnerBench(self.net, peers=Peers())
        repairer = replace(mine.repairer, registry=NoCalls())
        step = step_for(self.net, self.view, action, target=self.target)
        done = await mine.run(repairer.carry_out(step))
        assert [each.outcome for each in won] == [Outcome.DONE]
        return done

    def of_target(self, name):
        """Calls of the target after the rival was through."""
        return self.net.calls.count((name, self.target))


class _Halting:
    def __init__(self, peer, halt):
        self._peer, self._halt = peer, halt

    def __getattr__(self, name):
        async def call(*arguments):
            await self._halt(name)
            return await getattr(self._peer, name)(*arguments)

        return call


@pytest.mark.parametrize("action", [Action.MOVE, Action.HANDOVER, Action.EXTEND], ids=str)
@pytest.mark.parametrize("failing", [False, True])
async def test_a_record_that_changes_on_the_way_ends_the_step(bench, raced, action, failing):
    done = await raced.run(action, ("push", 2), failing=failing)
    assert done.outcome is Outcome.OUT_OF_DATE
    assert raced.of_target("push") <= 3  # those under way
    assert raced.of_target("accept") == 0
    after = await check_whole(bench, raced.view, LONG)
    assert after.record.version == raced.view.record.version + 1


@pytest.mark.parametrize("action", [Action.MOVE, Action.EXTEND], ids=str)
async def test_a_receipt_for_a_record_that_changed_is_not_used(bench, raced, action):
    done = await raced.run(action, ("accept", 1 + (action is Action.MOVE)))
    assert raced.of_target("accept") == 1
    assert done.outcome is Outcome.OUT_OF_DATE
    await check_whole(bench, raced.view, LONG)


@pytest.mark.parametrize("actions", [(Action.MOVE, Action.MOVE), (Action.EXTEND, Action.MOVE)])
@pytest.mark.parametrize("same_target", [True, False])
async def test_of_two_repairers_at_once_one_gets_through(net, bench, actions, same_target):
    await net.add_member("node-4")
    view = await bench.upload(DATA)
    spare = [node for node in net.members if node not in view.record.holders]
    steps = [
        step_for(net, view, action, target=spare[0 if same_target else at])
        for at, action in enumerate(actions)
    ]
    height = net.chain.head.height
    works = (
        OwnerBench(net).repairer.carry_out(steps[0]),
        OwnerBench(net).repairer.carry_out(steps[1]),
    )
    found = await bench.run(asyncio.gather(*works))
    assert sorted(done.outcome for done in found) == [Outcome.DONE, Outcome.OUT_OF_DATE]
    assert net.chain.head.height == height + 1
    after = await check_whole(bench, view)
    assert after.record.version == view.record.version + 1


async def test_the_registry_has_the_last_word_when_the_index_is_behind(net, bench):
    view = await bench.upload(DATA)
    step = step_for(net, view)

    class Lagging:
        """An index that does not hear of the other's move."""

        def __init__(self, index):
            self._index = index

        def __getattr__(self, name):
            return getattr(self._index, name)

        def file(self, _file):
            return view

    late = replace(bench.repairer, index=Lagging(net.index))
    await carried_out(bench, step_for(net, view, slot=2))
    other = await net.add_member("node-4")
    done = await bench.run(late.carry_out(replace(step, target=other.node)))
    assert done.outcome is Outcome.OUT_OF_DATE
    await check_whole(bench, view)


async def test_what_the_registry_refuses_is_raised(net, bench):
    view = await bench.upload(DATA)
    step = step_for(net, view)

    class Late:
        """A registry that the call reaches when the target has begun to drain."""

        deployment = net.chain.deployment

        async def submit(self, call):
            net.chain.call(net.members[step.target].key.address, SetNodeState(NodeState.DRAINING))
            return await bench.repairer.registry.submit(call)

    with pytest.raises(RefusedCallError, match="draining"):
        await bench.run(replace(bench.repairer, registry=Late()).carry_out(step))
    assert now(net, view) == view


# ------------------------------------------------------------------ crashes


class CrashError(Exception):
    """The process ends here."""


@pytest.mark.parametrize("action", [Action.MOVE, Action.HANDOVER, Action.EXTEND], ids=str)
async def test_a_crash_at_any_call_leaves_a_whole_file_and_the_step_can_be_taken_again(action):
    cut = 0
    while True:
        async with network(members=4) as net:
            bench = OwnerBench(net)
            view = await bench.upload(DATA)
            step = step_for(net, view, action)
            made = await crashed_at(net, step, cut)
            if not made:
                break
            assert now(net, view) == view
            assert await problems(bench, view) == []
            done = await carried_out(OwnerBench(net), step)
            assert done.outcome is Outcome.DONE
            after = await check_whole(OwnerBench(net), view)
            assert after.record.version == view.record.version + 1
        cut += 1
    assert cut > 2 * count(view)


async def crashed_at(net, step, cut):
    """Carries a step out and crashes before one of its calls; False when it has fewer."""
    calls = []

    def fault(call, _node):
        calls.append(call)
        if len(calls) == cut + 1:
            raise CrashError

    net.fault = fault
    bench = OwnerBench(net)
    try:
        await carried_out(bench, step)
    except CrashError:
        return True
    finally:
        net.fault = lambda _call, _node: None
        for node in net.members:
            await net.restart(node)
    return False


async def test_a_crash_behind_the_transaction_is_out_of_date_the_next_time(net, bench):
    view = await bench.upload(DATA)
    step = step_for(net, view)

    class Dying:
        deployment = net.chain.deployment

        async def submit(self, call):
            await bench.repairer.registry.submit(call)
            raise CrashError

    with pytest.raises(CrashError):
        await bench.run(replace(bench.repairer, registry=Dying()).carry_out(step))
    await net.caught_up()
    assert (await carried_out(bench, step)).outcome is Outcome.OUT_OF_DATE
    await check_whole(bench, view)


@pytest.mark.parametrize("action", [Action.MOVE, Action.HANDOVER, Action.EXTEND], ids=str)
async def test_the_record_never_names_a_node_without_its_slot(net, bench, action):
    view = await bench.upload(DATA)
    seen = []

    def check(_call, _node):
        record = now(net, view).record
        seen.append(record.version)
        for slot, node in enumerate(record.holders, start=1):
            store = net.members[node].custody.store
            keys = [ReplicaKey(record.file, slot, piece) for piece in range(count(view))]
            assert all(store.commitment(key) is not None for key in keys)

    net.fault = check
    await carried_out(bench, step_for(net, view, action))
    await check_whole(bench, view)
    assert set(seen) == {1, 2}


# ------------------------------------------------------------------ bounds


@pytest.mark.parametrize("action", [Action.MOVE, Action.HANDOVER, Action.EXTEND], ids=str)
@pytest.mark.parametrize(("window", "most"), [(1, 1), (64 << 20, 3)])
async def test_pieces_in_flight_are_bounded(net, bench, action, window, most):
    view = await bench.upload(DATA)
    under_way, seen = set(), []

    class Slow:
        def peer(self, record):
            return _Slow(net, net.peers().peer(record), under_way, seen)

    busy = OwnerBench(net, peers=Slow())
    repairer = busy.make_repairer(RepairConfig(window=window))
    assert (await busy.run(repairer.carry_out(step_for(net, view, action)))).stored == count(view)
    assert max(seen) == most
    assert repairer._filling.budget.used == 0


class _Slow:
    """Counts the replicas that are pushed or pulled at the same time."""

    def __init__(self, net, peer, under_way, seen):
        self._net, self._peer, self._under_way, self._seen = net, peer, under_way, seen

    def __getattr__(self, name):
        async def call(*arguments):
            token = object()
            if name in {"push", "pull"}:
                self._under_way.add(token)
                self._seen.append(len(self._under_way))
            await self._net.clock.sleep(1)
            self._under_way.discard(token)
            return await getattr(self._peer, name)(*arguments)

        return call


async def test_a_failed_step_gives_its_memory_back(net, bench):
    view = await bench.upload(DATA)
    net.fault = lambda call, node: net.members[node].__setattr__("up", call != "push")
    with pytest.raises(UnavailableError):
        await carried_out(bench, step_for(net, view))
    assert bench.repairer._filling.budget.used == 0


async def test_a_long_list_of_missing_pieces_is_not_all_that_is_missing(net, bench, monkeypatch):
    view = await bench.upload(DATA)
    step = step_for(net, view)

    class Terse:
        def peer(self, record):
            return _Terse(net.peers().peer(record))

    monkeypatch.setattr("xdb.services.repair.filling.LISTED", 1)
    mine = OwnerBench(net, peers=Terse())
    net.calls.clear()
    assert (await mine.run(mine.repairer.carry_out(step))).stored == count(view)
    assert sum(call == "accept" for call, _ in net.calls) == 2


class _Terse:
    """Names one missing piece at a time."""

    def __init__(self, peer):
        self._peer = peer

    def __getattr__(self, name):
        return getattr(self._peer, name)

    async def accept(self, *arguments):
        try:
            return await self._peer.accept(*arguments)
        except MissingPiecesError as error:
            raise MissingPiecesError(error.pieces[:1], str(error)) from error
