"""Trees: what is shown is there, and nothing else can be shown."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xdb.core import merkle
from xdb.errors import IntegrityError

cheap = settings(max_examples=100, deadline=None)
digests = st.integers(0, 2**20).map(lambda number: sha256(b"%d" % number).digest())
trees = st.lists(digests, min_size=1, max_size=70)
leaf_sizes = st.sampled_from([64, 128, 256])


@cheap
@given(trees, st.data())
def test_a_leaf_leads_to_the_root_and_a_changed_path_does_not(leaves, data):
    index = data.draw(st.integers(0, len(leaves) - 1))
    root, siblings = merkle.root(leaves), merkle.path(leaves, index)
    assert merkle.leads_to(leaves[index], index, len(leaves), siblings, root)
    if siblings:
        at = data.draw(st.integers(0, len(siblings) - 1))
        bit = data.draw(st.integers(0, 255))
        changed = bytearray(siblings[at])
        changed[bit // 8] ^= 1 << bit % 8
        wrong = [*siblings[:at], bytes(changed), *siblings[at + 1 :]]
        assert not merkle.leads_to(leaves[index], index, len(leaves), wrong, root)


@cheap
@given(trees, st.data())
def test_another_tree_has_another_root(leaves, data):
    index = data.draw(st.integers(0, len(leaves) - 1))
    other = data.draw(digests)
    changed = [*leaves[:index], other, *leaves[index + 1 :]]
    assert (merkle.root(changed) == merkle.root(leaves)) == (other == leaves[index])


@cheap
@given(st.binary(max_size=3000), leaf_sizes, st.data())
def test_every_leaf_of_a_replica_can_be_shown(data, leaf_size, drawn):
    leaves = merkle.replica_leaves(data, leaf_size)
    count = merkle.leaf_count(len(data), leaf_size)
    assert len(leaves) == count
    index = drawn.draw(st.integers(0, count - 1))
    leaf = sha256(b"\0" + data[index * leaf_size : (index + 1) * leaf_size]).digest()
    root = merkle.replica_root(data, leaf_size)
    assert merkle.leads_to(leaf, index, count, merkle.path(leaves, index), root)


@cheap
@given(trees, digests, st.data())
def test_extension_changes_nothing_else(leaves, leaf, data):
    root, siblings = merkle.root(leaves), merkle.extension_siblings(leaves)
    after = merkle.extended_root(root, len(leaves), leaf, siblings)
    assert after == merkle.root([*leaves, leaf])
    at = data.draw(st.integers(0, len(siblings) - 1))
    wrong = [*siblings[:at], data.draw(digests), *siblings[at + 1 :]]
    if wrong != list(siblings):
        with pytest.raises(IntegrityError):
            merkle.extended_root(root, len(leaves), leaf, wrong)
        with pytest.raises(IntegrityError):
            merkle.shrunk_root(after, len(leaves), leaf, wrong)


@cheap
@given(trees, digests)
def test_shrinking_takes_an_extension_back(leaves, leaf):
    longer = merkle.root([*leaves, leaf])
    siblings = merkle.shrink_siblings([*leaves, leaf])
    assert siblings == merkle.extension_siblings(leaves)
    assert merkle.shrunk_root(longer, len(leaves), leaf, siblings) == merkle.root(leaves)
    with pytest.raises(IntegrityError):
        merkle.shrunk_root(longer, len(leaves), sha256(leaf).digest(), siblings)
