"""A node gives up what was not restored in time, only what it holds, and once."""

from dataclasses import replace

import pytest

from xdb.core.keyring import namespace_tag
from xdb.errors import RefusedCallError, UnavailableError
from xdb.model.calls import Delete, Publish, Surrender
from xdb.model.refusal import Refusal
from xdb.model.registry import Coding, Redundancy
from xdb.model.storage import Damage
from xdb.services import surrender
from xdb.services.surrender import Surrendered, Surrendering
from xdb.store.formats import path_of
from xdb.testing.custody import SealedFile
from xdb.testing.entropy import SeededEntropy
from xdb.testing.network import network
from xdb.testing.turns import turns

DAY = 86400
GRACE = 3600
ONE_COPY = Redundancy(Coding.COPIES, 1, 1)


class Watched:
    """A registry that remembers what was sent, and may fail instead."""

    def __init__(self, inner):
        self.inner, self.sent, self.error = inner, [], None

    @property
    def parameters(self):
        return self.inner.parameters

    async def submit(self, call):
        self.sent.append(call)
        if self.error is not None:
            raise self.error
        return await self.inner.submit(call)


class Records:
    """The index, which may stop to follow."""

    def __init__(self, index):
        self.index, self.former = index, None

    def stop(self, *files):
        self.former = (self.index.head, {file.id: self.index.file(file.id) for file in files})

    def go_on(self):
        self.former = None

    @property
    def head(self):
        return self.former[0] if self.former else self.index.head

    def file(self, file):
        return self.former[1][file] if self.former else self.index.file(file)


class Bench:
    def __init__(self, net):
        self.net = net
        (self.member,) = net.members.values()
        self.store = self.member.custody.store
        self.registry = Watched(net.chain.registry(self.member.key, SeededEntropy("signer")))
        self.records = Records(net.index)
        self.restart()

    def restart(self):
        self.task = Surrendering(
            self.member.node, self.records, self.store, self.registry, self.net.clock, GRACE
        )

    async def store_file(self, title="file", *, published=True):
        net = self.net
        file = SealedFile(net.chain.deployment, net.owner, title, b"x" * 100_000, ONE_COPY)
        await self.push(file)
        expiry = net.chain.time + 30 * DAY
        peer = net.peers().peer(net.index.node(self.member.node).record)
        holder = await peer.accept(file.ref(1), file.manifest, expiry, 1)
        if published:
            new = replace(file.new((holder,), expiry), namespace=namespace_tag(net.owner, "ns"))
            net.chain.call(net.owner.address, Publish((new,)))
            await net.caught_up()
        return file

    async def push(self, file):
        for piece, (commitment, data) in enumerate(
            zip(file.commitments(1), file.replicas(1), strict=True)
        ):
            await self.member.custody.push(file.owner.address, file.ref(1), piece, commitment, data)

    async def lose(self, file, piece=0):
        entry = self.store.catalog.replica(file.key(1, piece))
        self.member.disk.lose(path_of(self.store._header(file.key(1, piece), entry)))
        await self.store.verify(file.key(1, piece))

    async def later(self, seconds):
        self.net.chain.advance(seconds)
        await self.net.caught_up()

    def lost(self, file):
        return self.net.index.file(file.id).lost

    def damaged(self):
        return list(self.store.catalog.damaged())


@pytest.fixture
async def bench():
    async with network(1) as net:
        yield Bench(net)


async def test_a_slot_is_given_up_after_the_grace_and_not_before(bench):
    file = await bench.store_file()
    await bench.lose(file)
    await bench.later(GRACE - 1)
    assert await bench.task.run_once() == Surrendered()
    await bench.later(1)
    assert await bench.task.run_once() == Surrendered(((file.id, 1),))
    await bench.net.caught_up()
    assert bench.lost(file) == (1,)
    assert bench.registry.sent == [Surrender(bench.member.node, file.id, 1)]
    assert len(bench.damaged()) == 1, "it is listed until it is collected or pushed again"


async def test_it_is_given_up_once(bench):
    file = await bench.store_file()
    for piece in range(2):
        await bench.lose(file, piece)
    await bench.later(GRACE)
    bench.records.stop(file)
    assert len((await bench.task.run_once()).slots) == 1
    assert await bench.task.run_once() == Surrendered()
    bench.records.go_on()
    assert await bench.task.run_once() == Surrendered()
    assert len(bench.registry.sent) == 1


async def test_what_was_given_up_before_a_restart_is_no_problem(bench):
    file = await bench.store_file()
    await bench.lose(file)
    await bench.later(GRACE)
    bench.records.stop(file)
    await bench.task.run_once()
    bench.restart()
    assert await bench.task.run_once() == Surrendered()
    assert await bench.task.run_once() == Surrendered()
    assert len(bench.registry.sent) == 2, "the second was refused, and no third was sent"


async def test_a_damaged_manifest_counts(bench):
    file = await bench.store_file()
    (path,) = bench.member.disk.files("manifests")
    bench.member.disk.corrupt(path)
    assert not await bench.store.verify_manifest(file.id, 1)
    await bench.later(GRACE)
    assert (await bench.task.run_once()).slots == ((file.id, 1),)


async def test_what_is_restored_in_time_is_kept(bench):
    file = await bench.store_file()
    await bench.lose(file)
    await bench.later(GRACE - 1)
    await bench.push(file)
    await bench.later(GRACE)
    assert await bench.task.run_once() == Surrendered()
    assert bench.damaged() == []


async def test_every_piece_has_a_grace_of_its_own(bench):
    file = await bench.store_file()
    await bench.lose(file, 0)
    await bench.later(GRACE - 1)
    await bench.push(file)
    await bench.lose(file, 1)
    await bench.later(GRACE - 1)
    assert await bench.task.run_once() == Surrendered()
    await bench.later(1)
    assert (await bench.task.run_once()).slots == ((file.id, 1),)


async def test_a_fault_that_went_away_gives_nothing_up(bench):
    file = await bench.store_file()
    await bench.store.mark_damaged(file.key(1, 0), "a read failed")
    await bench.later(GRACE)
    assert await bench.task.run_once() == Surrendered()
    assert bench.damaged() == []


async def test_damage_without_a_time_gets_its_grace_from_now_on(bench):
    file = await bench.store_file()
    await bench.lose(file)
    (damage,) = bench.damaged()
    kv = bench.store.catalog.kv
    ((place, _),) = kv.scan(b"d/")
    await kv.write({place: damage.reason.encode()}, sync=True)
    await bench.later(GRACE)
    assert await bench.task.run_once() == Surrendered()
    now = bench.net.index.head.time
    assert bench.damaged() == [Damage(file.id, 1, 0, False, now, damage.reason)]
    await bench.later(GRACE)
    assert (await bench.task.run_once()).slots == ((file.id, 1),)


async def test_only_what_the_chain_says_is_held(bench):
    stray = await bench.store_file("stray", published=False)
    gone = await bench.store_file("gone")
    deleted = await bench.store_file("deleted")
    bench.net.chain.call(bench.net.owner.address, Delete(gone.id))
    await bench.later(bench.net.chain.parameters.retention - GRACE)
    bench.net.chain.call(bench.net.owner.address, Delete(deleted.id))
    for file in (stray, gone, deleted):
        await bench.lose(file)
    await bench.later(GRACE)
    assert (await bench.task.run_once()).slots == ((deleted.id, 1),)


async def test_what_the_index_knows_is_not_remembered(bench):
    file = await bench.store_file()
    await bench.lose(file)
    await bench.later(GRACE)
    await bench.task.run_once()
    await bench.net.caught_up()
    assert await bench.task.run_once() == Surrendered()
    assert not bench.task._sent, "the node may take the slot on again, and lose it again"


async def test_a_bad_slot_stops_no_other(bench):
    files = [await bench.store_file(str(number)) for number in range(3)]
    for file in files:
        await bench.lose(file)
    await bench.later(GRACE)
    first = min(file.id for file in files)
    submit = bench.registry.inner.submit

    async def refusing(call):
        if call.file == first:
            raise RefusedCallError(Refusal.NOT_ALLOWED, "no")
        return await submit(call)

    bench.registry.submit = refusing
    given = await bench.task.run_once()
    assert len(given.slots) == 2
    assert len(given.problems) == 1
    assert first.hex() in given.problems[0]


async def test_while_the_chain_does_not_answer_few_are_tried(bench):
    files = [await bench.store_file(str(number)) for number in range(6)]
    for file in files:
        await bench.lose(file)
    await bench.later(GRACE)
    bench.registry.error = UnavailableError("nobody there")
    given = await bench.task.run_once()
    assert (given.slots, len(given.problems)) == ((), 3)
    bench.registry.error = None
    assert len((await bench.task.run_once()).slots) == 6


async def test_a_long_list_holds_up_nobody(bench):
    file = await bench.store_file()
    await bench.store.list_missing(file.id, 9, lambda: range(5000), "missing")
    assert await turns(bench.task.run_once()) >= 5000 // 256


async def test_a_cycle_gives_up_so_many_slots_and_the_next_goes_on(bench, monkeypatch):
    monkeypatch.setattr(surrender, "MOST_GIVEN", 2)
    for number in range(3):
        await bench.lose(await bench.store_file(f"f{number}"))
    await bench.later(GRACE)
    assert len((await bench.task.run_once()).slots) == 2
    await bench.net.caught_up()
    assert len((await bench.task.run_once()).slots) == 1


async def test_a_piece_beyond_the_file_costs_nobody_the_slot(bench):
    """Its owner pushed it before there was a record; nobody is asked for it."""
    file = await bench.store_file()
    piece = len(file.commitments(1))
    await bench.store.put(file.ref(1), piece, file.commitments(1)[0], file.replicas(1)[0])
    await bench.lose(file, piece)
    await bench.later(GRACE)
    assert await bench.task.run_once() == Surrendered()
    await bench.lose(file)
    await bench.later(GRACE)
    assert await bench.task.run_once() == Surrendered(((file.id, 1),))
