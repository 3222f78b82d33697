"""What a call has read of a Fabric-like chain's state, and whether it is still so."""

import pytest

from xdb.testing.simulation.chains.versions import MVCC, PHANTOM, VersionedState


@pytest.fixture
def state():
    made = VersionedState()
    made.write([(b"a/1", b"one"), (b"a/2", b"two"), (b"b/1", b"three")], (1, 0))
    return made


def test_a_snapshot_stays_as_it_was(state):
    before = state.at(1)
    state.write([(b"a/1", b"other"), (b"a/2", None), (b"a/3", b"new")], (2, 0))
    assert (before.get(b"a/1"), before.get(b"a/2"), before.get(b"a/3")) == (b"one", b"two", None)
    assert before.scan(b"a/", 9) == [(b"a/1", b"one"), (b"a/2", b"two")]
    after = state.at(2)
    assert (after.get(b"a/1"), after.get(b"a/2")) == (b"other", None)
    assert after.scan(b"a/", 9) == [(b"a/1", b"other"), (b"a/3", b"new")]
    assert after.scan(b"a/", 1) == [(b"a/1", b"other")]


def test_what_was_not_read_may_change(state):
    snapshot = state.at(1)
    assert snapshot.get(b"a/1") == b"one"
    state.write([(b"a/2", b"other")], (2, 0))
    assert snapshot.stale() == ""


@pytest.mark.parametrize("key", [b"a/1", b"a/9"])
def test_a_key_that_was_read_may_not_even_be_written_the_same(state, key):
    snapshot = state.at(1)
    value = snapshot.get(key)
    state.write([(key, value)], (1, 1))
    assert snapshot.stale() == MVCC


@pytest.mark.parametrize("write", [(b"a/0", b"new"), (b"a/1", b"other"), (b"a/2", None)])
def test_a_range_that_was_read_may_not_change(state, write):
    snapshot = state.at(1)
    snapshot.scan(b"a/", 2)
    state.write([write], (2, 0))
    assert snapshot.stale() == PHANTOM


def test_behind_what_was_asked_for_a_range_may_change(state):
    snapshot = state.at(1)
    snapshot.scan(b"a/", 1)
    state.write([(b"a/2", None), (b"c", b"new")], (2, 0))
    assert snapshot.stale() == ""
