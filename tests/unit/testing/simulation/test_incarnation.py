"""A power cut: what was under way has no effect, whatever its tasks do about it."""

import asyncio
from contextlib import suppress

import pytest

from xdb.errors import UnavailableError
from xdb.store.concurrency import to_the_end
from xdb.testing.disk import MemoryDisk
from xdb.testing.entropy import SeededEntropy
from xdb.testing.kv import CrashingKeyValue
from xdb.testing.simulation.clock import SimulatedClock
from xdb.testing.simulation.incarnation import FencedError, Incarnation
from xdb.testing.simulation.loop import SimulationError
from xdb.testing.simulation.run import run

SEEDS = range(20)


class Node:
    """What stays of a node, and its life now."""

    def __init__(self, simulation):
        self.simulation = simulation
        self.disk, self.kv = MemoryDisk(), CrashingKeyValue()
        self.begin()

    def begin(self):
        entropy = self.simulation.tape.stream("node")
        self.life = Incarnation("node", [self.disk, self.kv], entropy)
        self.clock = self.life.guard(SimulatedClock(self.simulation.loop))
        self.store = self.life.guard(self.kv, self.pause)

    async def pause(self, _call):
        await self.clock.sleep(1)

    async def keep(self, name):
        await self.store.write({name: b"kept"}, sync=True)

    async def crash_at(self, seconds):
        """Loses power then; gives the names that were kept, when nothing runs any more."""
        await asyncio.sleep(seconds)
        self.life.crash()
        await asyncio.sleep(100)
        await self.life.ended()
        return [key for key, _ in self.kv.scan(b"")]


def crashed(seconds, *works):
    """What is kept, for some seeds, of works on a node that loses power after `seconds`."""

    async def main(simulation):
        node = Node(simulation)
        for work in works:
            node.life.start(work(node), name=work.__name__)
        return await node.crash_at(seconds)

    return [run(seed, main).result for seed in SEEDS]


# ---------------------------------------------------------------- the fence


def test_finally_blocks_have_no_effect():
    async def work(node):
        try:
            await node.keep(b"before")
            await node.clock.sleep(1000)
        finally:
            await node.keep(b"after")

    assert crashed(5, work) == [[b"before"]] * len(SEEDS)


def test_work_that_is_brought_to_its_end_is_not():
    async def work(node):
        async def two():
            await node.keep(b"one")
            await node.keep(b"two")

        await to_the_end(two())

    assert crashed(1.5, work) == [[b"one"]] * len(SEEDS)
    assert crashed(2.5, work) == [[b"one", b"two"]] * len(SEEDS)


def test_shielded_and_detached_tasks_and_those_of_groups_belong_to_the_life():
    async def shielding(node):
        await asyncio.shield(asyncio.ensure_future(later(node, b"shielded")))

    async def detaching(node):
        node.detached = asyncio.get_running_loop().create_task(later(node, b"detached"))

    async def grouping(node):
        async with asyncio.TaskGroup() as group:
            group.create_task(later(node, b"grouped"))
            group.create_task(later(node, b"grouped too"))

    async def calling(node):
        loop = asyncio.get_running_loop()
        loop.call_later(7, lambda: suppressed(loop.create_task, later(node, b"called")))

    async def later(node, name):
        await asyncio.sleep(10)
        await node.keep(name)

    def suppressed(call, work):
        node_task = call(work)
        node_task.set_name("called")

    works = shielding, detaching, grouping, calling
    assert crashed(5, *works) == [[]] * len(SEEDS)
    assert all(len(kept) == 5 for kept in crashed(50, *works))


def test_who_catches_everything_and_tries_again_does_nothing_either():
    async def work(node):
        while node.life.alive or len(tries) < 5:
            tries.append(1)
            with suppress(asyncio.CancelledError):
                await node.keep(b"stubborn %d" % len(tries))
                await node.clock.sleep(1000)

    tries = []
    assert crashed(5, work)[0] == [b"stubborn 1"]


def test_an_answer_that_comes_after_the_crash_is_not_heard():
    async def main(simulation):
        class Slow:
            async def answer(self):
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(10)
                return "answer"

            async def error(self):
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(10)
                raise UnavailableError("no")

        node, heard = Node(simulation), []
        slow = node.life.guard(Slow())

        async def ask(call):
            try:
                heard.append(await call())
            except UnavailableError as error:
                heard.append(error)

        node.life.start(ask(slow.answer), name="answer")
        node.life.start(ask(slow.error), name="error")
        await node.crash_at(5)
        return heard

    assert run(1, main).result == []


def test_every_kind_of_handle_is_behind_the_fence():
    class Handle:
        number = 7

        def get(self):
            return "got"

        async def call(self):
            return "called"

        async def items(self):
            yield 1
            yield 2

        def later(self):
            return asyncio.ensure_future(self.call())

        def peer(self):
            return Handle()

    async def main(simulation):
        life = Node(simulation).life
        handle = life.guard(Handle())
        peer, items, call = handle.peer(), handle.items(), handle.call
        assert (handle.number, handle.get(), peer.get()) == (7, "got", "got")
        assert (await call(), await handle.later(), await anext(items)) == ("called", "called", 1)
        begun, stream = handle.call(), life.guard(SeededEntropy()).stream("a")
        assert len(stream.draw(4)) == 4
        life.fence()
        for late in (lambda: handle.number, handle.get, handle.peer, peer.get, handle.later):
            with pytest.raises(FencedError):
                late()
        with pytest.raises(FencedError):
            stream.draw(4)
        for late in (begun, call(), anext(items)):
            with pytest.raises(FencedError):
                await late

    run(1, main)


def test_a_dead_node_starts_nothing():
    async def main(simulation):
        node = Node(simulation)
        assert node.life.alive
        node.life.crash()
        assert not node.life.alive
        with pytest.raises(FencedError, match="node is down"):
            node.life.start(node.keep(b"a"), name="late")

    run(1, main)


def test_what_others_start_in_a_node_is_the_nodes():
    async def main(simulation):
        one, two = Node(simulation), Node(simulation)

        async def served():
            await two.clock.sleep(3)
            await two.keep(b"served")

        async def ask():
            await asyncio.wait([two.life.start(served(), name="served")])

        one.life.start(ask(), name="ask")
        await one.crash_at(1)
        return [key for key, _ in two.kv.scan(b"")]

    assert run(1, main).result == [b"served"]


# ---------------------------------------------------------------- the end of a life


def test_a_crash_keeps_what_was_synced_and_what_the_seed_chooses_of_the_rest():
    async def main(simulation):
        node = Node(simulation)
        disk, kv = node.life.guard(node.disk), node.life.guard(node.kv)

        async def work():
            await disk.write("d/durable", [b"content"])
            await disk.sync_directory("d")
            await disk.write("d/name not synced", [b"content"])
            await kv.write({b"1": b"", b"2": b""}, sync=True)
            await kv.write({b"3": b""}, sync=False)

        await node.life.start(work(), name="work")
        node.life.crash()
        return tuple(node.disk.files("d")), tuple(key for key, _ in node.kv.scan(b""))

    found = {run(seed, main).result for seed in range(60)}
    names = ("d/durable",), ("d/durable", "d/name not synced")
    keys = (b"1", b"2"), (b"1", b"2", b"3")
    assert found == {(some, others) for some in names for others in keys}


def test_every_crash_of_a_run_is_another_one():
    async def main(simulation):
        node, kept = Node(simulation), []
        for number in range(40):
            await node.kv.write({b"%d" % number: b""}, sync=False)
            node.life.crash()
            kept.append(node.kv.get(b"%d" % number) is not None)
            node.begin()
        return kept

    assert set(run(1, main).result) == {True, False}


def test_a_stop_lets_the_last_things_be_done():
    async def main(simulation):
        node = Node(simulation)

        async def kept_last():
            try:
                await node.clock.sleep(1000)
            finally:
                await node.kv.write({b"last": b""}, sync=True)

        node.life.start(kept_last(), name="work")
        await asyncio.sleep(1)
        await node.life.stop()
        assert not node.life.alive
        return node.kv.get(b"last")

    assert run(1, main).result == b""


def test_a_task_that_does_not_end_is_named():
    async def main(simulation):
        node, over = Node(simulation), asyncio.Event()

        async def stubborn():
            while not over.is_set():
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(10)

        node.life.start(stubborn(), name="stubborn")
        await asyncio.sleep(1)
        node.life.crash()
        with pytest.raises(SimulationError, match="1 tasks of node do not end\nnode: stubborn"):
            await node.life.ended()
        over.set()
        await node.life.ended()

    run(1, main)
