from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from xdb.blockchain.embedded.execution import Overlay, execute_block
from xdb.core.envelope import sign_envelope
from xdb.core.rules import Context
from xdb.core.rules.state import nonce_key
from xdb.model.calls import Heartbeat
from xdb.model.refusal import Refusal
from xdb.testing.chain import MemoryState
from xdb.testing.embedded import envelope, genesis
from xdb.testing.keys import NamedKey
from xdb.testing.registry import START, node_call, nonce

GENESIS = genesis()
NODE = NamedKey("node")
KEYS = st.text("ab", min_size=1, max_size=3).map(str.encode)


def context(time=START):
    return Context(GENESIS.deployment, GENESIS.parameters, time)


@settings(deadline=None, max_examples=100)
@given(
    below=st.dictionaries(KEYS, st.binary(max_size=2), max_size=8),
    writes=st.lists(st.tuples(KEYS, st.none() | st.binary(max_size=2)), max_size=8),
    prefix=st.text("ab", max_size=2).map(str.encode),
    limit=st.integers(0, 5),
)
def test_an_overlay_reads_as_if_written(below, writes, prefix, limit):
    overlay = Overlay(MemoryState(dict(below)))
    overlay.take(writes)
    written = MemoryState(dict(below))
    written.write(writes)
    assert list(overlay.scan(prefix, limit)) == list(written.scan(prefix, limit))
    assert all(overlay.get(key) == written.get(key) for key in [*below, *dict(writes)])
    before = MemoryState(dict(below))
    before.write(overlay.writes())
    assert before.values == written.values


@settings(deadline=None, max_examples=50)
@given(
    takes=st.lists(st.lists(st.tuples(KEYS, st.none() | st.binary(max_size=2)), max_size=5)),
    prefix=st.text("ab", max_size=2).map(str.encode),
)
def test_the_last_of_many_writes_counts(takes, prefix):
    overlay, written = Overlay(MemoryState()), MemoryState()
    for writes in takes:
        overlay.take(writes)
        written.write(writes)
    assert list(overlay.scan(prefix, 99)) == list(written.scan(prefix, 99))


class Watched(bytes):
    """A key that counts how often keys are compared with a prefix."""

    looked_at = 0

    def startswith(self, *arguments):
        Watched.looked_at += 1
        return super().startswith(*arguments)


def test_a_look_at_one_nodes_keys_does_not_look_at_all_of_the_block():
    overlay = Overlay(MemoryState())
    for node in range(20):
        overlay.take([(Watched(b"%02d/%03d" % (node, number)), b"") for number in range(100)])
    assert len(list(overlay.scan(b"07/", 1000))) == 100
    assert Watched.looked_at < 200


class Counting(MemoryState):
    """State that counts the pairs that are read."""

    read = 0

    def scan(self, prefix, limit):
        for pair in super().scan(prefix, limit):
            self.read += 1
            yield pair


def test_a_block_reads_no_nonces_that_are_still_of_use():
    state = Counting()
    calls = [Heartbeat(NODE.node)] * 50
    calls = [envelope(NODE, call, GENESIS, str(n), START + 9) for n, call in enumerate(calls)]
    registered = envelope(NODE, node_call(NODE), GENESIS, "node", START)
    state.write(execute_block(context(), state, [registered, *calls]).writes)
    state.read = 0
    execute_block(context(START + 9), state, [])
    assert state.read == 2  # the one that is past, and the first that is not
    state.read = 0
    execute_block(context(START + 10), state, [])
    assert state.read == 51


def test_later_calls_see_what_earlier_ones_wrote():
    calls = [node_call(NODE), node_call(NODE), Heartbeat(NODE.node)]
    done = execute_block(
        context(),
        MemoryState(),
        [envelope(NODE, call, GENESIS, str(n), START) for n, call in enumerate(calls)],
    )
    assert [result.transaction.refusal for result in done.results] == [
        Refusal.NONE,
        Refusal.NODE_EXISTS,
        Refusal.NONE,
    ]
    assert done.results[1].reason
    assert len(done.events) == 2


def test_what_cannot_be_read_is_answered_and_not_recorded():
    good = envelope(NODE, node_call(NODE), GENESIS, "a", START)
    forged = replace(good, deadline=START + 1)
    foreign = envelope(NODE, node_call(NODE), genesis("other"), "b", START)
    done = execute_block(context(), MemoryState(), [forged, foreign, good])
    assert [result.transaction.refusal for result in done.results] == [
        Refusal.BAD_SIGNATURE,
        Refusal.WRONG_DEPLOYMENT,
        Refusal.NONE,
    ]
    assert [transaction.envelope for transaction in done.recorded] == [good]


def test_a_nonce_is_remembered_until_its_deadline_and_then_forgotten():
    state = MemoryState()
    first = envelope(NODE, node_call(NODE), GENESIS, "a", START + 5)
    state.write(execute_block(context(), state, [first]).writes)
    key = nonce_key(NODE.address, nonce("a"))

    again = sign_envelope(Heartbeat(NODE.node), GENESIS.deployment, NODE, nonce("a"), START + 9)
    done = execute_block(context(START + 5), state, [again])
    assert done.results[0].transaction.refusal is Refusal.REPLAYED
    state.write(done.writes)
    assert state.get(key) is not None

    state.write(execute_block(context(START + 6), state, []).writes)
    assert state.get(key) is None
    assert not [k for k in state.values if k.startswith(b"\0")]
    late = execute_block(context(START + 6), state, [first])
    assert late.results[0].transaction.refusal is Refusal.EXPIRED
