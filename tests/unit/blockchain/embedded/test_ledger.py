import asyncio
from dataclasses import replace

import pytest

from xdb.blockchain.embedded import execution
from xdb.blockchain.embedded import ledger as ledger_module
from xdb.blockchain.embedded.blocks import Transaction, read_block, write_block
from xdb.blockchain.embedded.execution import USED_NONCES, execute_block
from xdb.blockchain.embedded.ledger import OUTCOME_KEPT
from xdb.blockchain.embedded.opening import open_ledger
from xdb.blockchain.embedded.records import (
    BLOCKS,
    EVIDENCE,
    HEAD_KEY,
    OUTCOME_ENDS,
    OUTCOMES,
    STATE,
    numbered,
)
from xdb.core.envelope import envelope_digest
from xdb.core.rules import Context
from xdb.errors import (
    ConfigError,
    CorruptFileError,
    IntegrityError,
    NotFoundError,
    UnavailableError,
)
from xdb.model.calls import Heartbeat
from xdb.model.events import HeartbeatSeen
from xdb.model.ids import Digest
from xdb.model.refusal import Refusal
from xdb.ports.blockchain import BlockEvents
from xdb.store.kv import open_kv
from xdb.store.kv_memory import MemoryKeyValue
from xdb.testing.compute import InlineCompute
from xdb.testing.embedded import SEQUENCER, block, envelope, genesis, ledger
from xdb.testing.keys import NamedKey
from xdb.testing.registry import START, node_call

GENESIS = genesis()
NODE = NamedKey("node")


class FailingKeyValue(MemoryKeyValue):
    """Fails one write, leaving its outcome open: it may have been done."""

    fails = False
    done = True

    async def write(self, batch, *, sync):
        if self.fails and not self.done:
            raise UnavailableError("the disk failed")
        await super().write(batch, sync=sync)
        if self.fails:
            raise UnavailableError("the disk failed")


class RecordingKeyValue(MemoryKeyValue):
    """Remembers what was to be synced."""

    def __init__(self):
        super().__init__()
        self.synced = []

    async def write(self, batch, *, sync):
        self.synced.append(sync)
        await super().write(batch, sync=sync)


def register(name="a", deadline=START + 60):
    return envelope(NODE, node_call(NODE), GENESIS, name, deadline)


def beat(name, deadline=START + 60):
    return envelope(NODE, Heartbeat(NODE.node), GENESIS, name, deadline)


async def grown(*batches, kv=None, time=START):
    """A ledger with a block for each batch of envelopes."""
    made = await ledger(GENESIS, kv)
    for envelopes in batches:
        await made.extend(time, envelopes, SEQUENCER)
    return made


async def test_an_empty_ledger_stands_at_the_genesis():
    empty = await ledger(GENESIS)
    assert empty.head.height == 0
    assert empty.head.block == GENESIS.deployment.chain
    assert empty.head.time == GENESIS.time
    with pytest.raises(NotFoundError):
        empty.block(1)
    with pytest.raises(NotFoundError):
        empty.events(1)


async def test_a_follower_comes_to_the_same_from_the_blocks_alone():
    source = await grown([register(), beat("b"), register("c")], [], [beat("d")])
    follower = await ledger(GENESIS)
    for height in range(1, 4):
        await follower.append(source.block(height))
    assert follower._kv._values == source._kv._values
    assert follower.events(3) == BlockEvents(3, START, (HeartbeatSeen(NODE.node),))
    assert follower.outcome(envelope_digest(register("c"))).refusal is Refusal.NODE_EXISTS
    assert [follower.position(envelope_digest(e)) for e in (register(), beat("b"))] == [0, 1]


async def test_a_block_that_is_there_already_changes_nothing():
    source = await grown([register()], [beat("b")])
    before = dict(source._kv._values)
    await source.append(source.block(1))
    await source.append(source.block(2))
    assert source._kv._values == before


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda head: block(GENESIS, 4, head.block), "block 4 cannot follow block 2"),
        (lambda _: block(GENESIS, 3, GENESIS.deployment.chain), "the histories differ"),
        (lambda head: block(GENESIS, 3, head.block, time=START - 1), "before block 2"),
        (
            lambda head: block(GENESIS, 3, head.block, writes=[(b"n/", b"")]),
            "leads to another state",
        ),
        (
            lambda head: block(
                GENESIS,
                3,
                head.block,
                transactions=(Transaction(register("x"), Refusal.NONE),),
            ),
            "NONE by the block and NODE_EXISTS by the rules",
        ),
        (
            lambda head: block(
                GENESIS, 3, head.block, transactions=(Transaction(beat("x"), Refusal.EXPIRED),)
            ),
            "EXPIRED by the block and NONE by the rules",
        ),
        (lambda head: block(GENESIS, 3, head.block, key=NODE), "not signed by the sequencer"),
    ],
)
async def test_a_bad_block_is_refused_and_leaves_no_trace(made, words):
    follower = await grown([register()], [beat("b")])
    before = dict(follower._kv._values)
    with pytest.raises(IntegrityError, match=words):
        await follower.append(made(follower.head))
    assert follower._kv._values == before
    assert follower.contradiction is None
    await follower.extend(START, [beat("c")], SEQUENCER)


async def test_two_blocks_of_one_height_stop_everything_and_are_kept_as_evidence():
    kv = MemoryKeyValue()
    follower = await grown([register()], [beat("b")], kv=kv)
    twin = await grown([register()], [beat("other")], [])
    ours, theirs = follower.head.block, twin.id_of(2)
    with pytest.raises(IntegrityError) as caught:
        await follower.append(twin.block(2))
    for part in ("2", ours.hex(), theirs.hex()):
        assert part in str(caught.value)
    assert kv.get(numbered(EVIDENCE, 2) + theirs) == twin.block(2)
    assert read_block(follower.block(2), GENESIS.deployment, GENESIS.sequencer).header.id == ours
    for attempt in (follower.append(twin.block(3)), follower.extend(START, [], SEQUENCER)):
        with pytest.raises(IntegrityError, match="signed two blocks 2"):
            await attempt
    again = await ledger(GENESIS, kv)
    assert again.contradiction == str(caught.value)
    with pytest.raises(IntegrityError, match="signed two blocks 2"):
        await again.append(twin.block(3))
    assert again.events(2).height == 2


async def test_a_copied_directory_that_went_on_by_itself_is_found_out():
    common = await grown([register()], [beat("b")])
    copy = await ledger(GENESIS, MemoryKeyValue())
    for height in (1, 2):
        await copy.append(common.block(height))
    await common.extend(START, [beat("c")], SEQUENCER)
    await copy.extend(START, [beat("d")], SEQUENCER)
    await copy.extend(START, [beat("e")], SEQUENCER)
    with pytest.raises(IntegrityError, match="the histories differ"):
        await common.append(copy.block(4))
    with pytest.raises(IntegrityError, match="signed two blocks 3"):
        await common.append(copy.block(3))


@pytest.mark.parametrize("done", [True, False])
async def test_after_a_failed_write_nothing_is_taken_until_the_ledger_is_opened_again(done):
    kv = FailingKeyValue()
    made = await grown([register()], kv=kv)
    kv.fails, kv.done = True, done
    with pytest.raises(UnavailableError, match="the disk failed"):
        await made.extend(START, [beat("b")], SEQUENCER)
    kv.fails = False
    with pytest.raises(UnavailableError, match="restart this node"):
        await made.extend(START, [beat("b")], SEQUENCER)
    assert made.head.height == 1
    again = await ledger(GENESIS, kv)
    assert again.head.height == (2 if done else 1)
    await again.extend(START, [beat("c")], SEQUENCER)


async def test_outcomes_are_forgotten_long_after_the_deadline():
    made = await grown([register(deadline=START + 10)])
    digest = envelope_digest(register(deadline=START + 10))
    await made.extend(START + 10 + OUTCOME_KEPT, [], SEQUENCER)
    assert made.outcome(digest).height == 1
    await made.extend(START + 11 + OUTCOME_KEPT, [], SEQUENCER)
    assert made.outcome(digest) is None
    assert not list(made._kv.scan(OUTCOMES))
    assert not list(made._kv.scan(b"q"))


class Watching(MemoryKeyValue):
    """Remembers behind which key it was asked for pairs, by their prefix."""

    def __init__(self):
        super().__init__()
        self.began = {}

    def scan(self, prefix, **options):
        self.began.setdefault(prefix, []).append(options.get("after", b""))
        return super().scan(prefix, **options)


async def test_what_was_forgotten_is_not_looked_for_again():
    made = await grown([register()], kv=(kv := Watching()))
    nonces = STATE + USED_NONCES
    for number in range(5):
        time = START + 700 * (number + 1)
        await made.extend(time, [beat(str(number), deadline=time + 9)], SEQUENCER)
    for prefix in (nonces, OUTCOME_ENDS):
        kv.began.clear()
        await made.extend(START + 9000, [], SEQUENCER)
        assert len(kv.began[prefix]) == 1
        assert kv.began[prefix][0] > prefix
        assert not list(kv.scan(prefix))


async def test_what_one_block_cannot_forget_the_next_ones_do(monkeypatch):
    for module in (execution, ledger_module):
        monkeypatch.setattr(module, "FORGOTTEN_PER_BLOCK", 3)
    calls = [beat(str(number), deadline=START + 9) for number in range(8)]
    made = await grown([register()], calls)
    nonces, left = STATE + USED_NONCES, []
    for _ in range(4):
        await made.extend(START + 9000, [], SEQUENCER)
        left.append((len(list(made._kv.scan(nonces))), len(list(made._kv.scan(OUTCOME_ENDS)))))
    assert left == [(6, 6), (3, 3), (0, 0), (0, 0)]


async def test_the_outcome_of_a_call_past_its_deadline_is_kept_as_long_as_any():
    made = await grown([register()])
    late = beat("late", deadline=START)
    await made.extend(START + 5000, [late], SEQUENCER)
    await made.extend(START + 5000 + OUTCOME_KEPT, [], SEQUENCER)
    assert made.outcome(envelope_digest(late)).refusal is Refusal.EXPIRED
    await made.extend(START + 5001 + OUTCOME_KEPT, [], SEQUENCER)
    assert made.outcome(envelope_digest(late)) is None


async def test_who_waits_for_a_height_gets_it():
    made = await grown([register()])
    await made.reached(1)
    waiting = asyncio.create_task(made.reached(3))
    await made.extend(START, [], SEQUENCER)
    await asyncio.sleep(0)
    assert not waiting.done()
    await made.extend(START, [], SEQUENCER)
    await waiting


async def test_blocks_are_synced_unless_a_follower_is_told_not_to():
    kv = RecordingKeyValue()
    source = await grown([register()], kv=kv)
    assert kv.synced == [True, True]
    kv = RecordingKeyValue()
    follower = await open_ledger(kv, GENESIS, InlineCompute(), sync=False)
    await follower.append(source.block(1))
    assert kv.synced == [True, False]


async def test_events_of_a_later_version_are_left_out():
    kv = MemoryKeyValue()
    made = await grown([register()], [beat("b")], kv=kv)
    known = made.events(2)
    record = kv.get(b"e" + (2).to_bytes(8, "big"))
    unknown = b"\xfa\x7f\x02ab"  # field 2047 of the message
    more = record[:8] + (2).to_bytes(4, "big") + len(unknown).to_bytes(4, "big") + unknown
    await kv.write({b"e" + (2).to_bytes(8, "big"): more + record[12:]}, sync=True)
    assert made.events(2) == known


# ---------------------------------------------------------------- opening


async def test_a_ledger_is_found_again():
    kv = MemoryKeyValue()
    made = await grown([register()], *([[]] * 100), kv=kv)
    again = await ledger(GENESIS, kv)
    assert again.head == made.head
    await again.extend(START, [beat("b")], SEQUENCER)


async def test_another_chain_or_version_is_refused():
    kv = MemoryKeyValue()
    await grown([register()], kv=kv)
    with pytest.raises(ConfigError, match="another chain"):
        await ledger(genesis("other"), kv)
    await kv.write({b"m/format": (9).to_bytes(8, "big")}, sync=True)
    with pytest.raises(ConfigError, match="another version"):
        await ledger(GENESIS, kv)


async def test_a_store_of_something_else_is_not_touched():
    kv = MemoryKeyValue()
    await kv.write({b"mine": b"1"}, sync=True)
    with pytest.raises(ConfigError, match="holds something else"):
        await ledger(GENESIS, kv)
    assert kv._values == {b"mine": b"1"}


DAMAGE = {
    "no head": lambda _: {HEAD_KEY: None},
    "half a head": lambda kv: {HEAD_KEY: kv.get(HEAD_KEY)[:-1]},
    "newest block missing": lambda _: {numbered(BLOCKS, 3): None},
    "older block missing": lambda _: {numbered(BLOCKS, 2): None},
    "block cut off": lambda kv: {numbered(BLOCKS, 3): kv.get(numbered(BLOCKS, 3))[:-1]},
    "flipped bit": lambda kv: {numbered(BLOCKS, 2): kv.get(numbered(BLOCKS, 2))[:-1] + b"\xff"},
    "another block": lambda kv: {numbered(BLOCKS, 3): kv.get(numbered(BLOCKS, 2))},
    "head of another height": lambda kv: {HEAD_KEY: (4).to_bytes(8, "big") + kv.get(HEAD_KEY)[8:]},
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
async def test_damage_is_noticed_when_opening_and_said_with_the_remedy(damage):
    kv = MemoryKeyValue()
    await grown([register()], [beat("b")], [beat("c")], kv=kv)
    await kv.write(damage(kv), sync=True)
    with pytest.raises(CorruptFileError, match=r"fetched again.*promote a follower"):
        await ledger(GENESIS, kv)


async def test_a_first_block_that_does_not_follow_the_genesis_is_noticed():
    kv = MemoryKeyValue()
    await ledger(GENESIS, kv)
    data = block(GENESIS, 1, Digest(bytes(32)))
    made = read_block(data, GENESIS.deployment, GENESIS.sequencer).header
    head = (1).to_bytes(8, "big") + made.id + START.to_bytes(8, "big")
    await kv.write({numbered(BLOCKS, 1): data, HEAD_KEY: head}, sync=True)
    with pytest.raises(CorruptFileError, match="does not follow the genesis"):
        await ledger(GENESIS, kv)


@pytest.mark.parametrize("kind", ["sqlite", "leveldb"])
async def test_two_processes_cannot_write_one_ledger(tmp_path, kind):
    if kind == "leveldb":
        pytest.importorskip("plyvel")
    kv = open_kv(tmp_path, kind)
    made = await grown([register()], kv=kv)
    with pytest.raises(ConfigError, match="in use"):
        open_kv(tmp_path, kind)
    await made.extend(START, [beat("b")], SEQUENCER)
    kv.close()
    again = open_kv(tmp_path, kind)
    assert (await ledger(GENESIS, again)).head.height == 2
    again.close()


async def test_a_torn_tail_leaves_whole_blocks(tmp_path):
    """Whatever is cut off the end of LevelDB's log, what remains is a chain that goes on."""
    pytest.importorskip("plyvel")
    kv = open_kv(tmp_path / "a", "leveldb")
    made = await grown([register()], *([[beat(str(n))] for n in range(5)]), kv=kv)
    blocks = [made.block(height) for height in range(1, 7)]
    kv.close()
    (log,) = (tmp_path / "a").glob("*/*.log")
    files = {file.name: file.read_bytes() for file in log.parent.iterdir()}
    heights = set()
    for cut in range(0, len(files[log.name]), 97):
        place = tmp_path / f"cut{cut}"
        (place / log.parent.name).mkdir(parents=True)
        for name, content in files.items():
            keep = content[: len(content) - cut] if name == log.name else content
            (place / log.parent.name / name).write_bytes(keep)
        torn = open_kv(place, "leveldb")
        found = await ledger(GENESIS, torn)
        heights.add(found.head.height)
        for data in blocks[max(0, found.head.height - 1) :]:
            await found.append(data)
        assert found.head == made.head
        torn.close()
    assert heights == set(range(7))


async def test_reordered_transactions_do_not_pass():
    source = await grown([register(), beat("b")])
    original = read_block(source.block(1), GENESIS.deployment, GENESIS.sequencer)
    swapped = replace(original, transactions=original.transactions[::-1])
    with pytest.raises(IntegrityError, match="does not have the transactions"):
        await (await ledger(GENESIS)).append(write_block(swapped))


async def test_the_state_is_what_the_rules_make_of_the_calls():
    made = await grown([register(), beat("b")])
    fresh = await ledger(GENESIS)
    context = Context(GENESIS.deployment, GENESIS.parameters, START)
    done = execute_block(context, fresh.state, [register(), beat("b")])
    assert {key: made.state.get(key) for key, _ in done.writes} == dict(done.writes)
