"""Merkle trees against trees built another way, and every lie about a leaf refused."""

import json
from hashlib import sha256, shake_256
from pathlib import Path

import pytest

from xdb.core import merkle
from xdb.errors import IntegrityError
from xdb.model.ids import Digest
from xdb.model.storage import Commitment

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/merkle.json").read_text())
LEAVES = [Digest(bytes.fromhex(leaf)) for leaf in VECTORS["leaves"]]
SIZES = range(1, len(LEAVES) + 1)


def data_of(length):
    return bytes((7 * index + index // 251) % 256 for index in range(length))


def test_known_missing_subtrees():
    known = [bytes.fromhex(node) for node in VECTORS["missing"]]
    assert list(merkle.MISSING[: len(known)]) == known


@pytest.mark.parametrize("count", SIZES)
def test_known_roots(count):
    assert merkle.root(LEAVES[:count]).hex() == VECTORS["roots"][count - 1]


@pytest.mark.parametrize("case", VECTORS["replicas"], ids=lambda case: str(case["length"]))
def test_known_replica_roots(case):
    from_shake = shake_256(b"data").digest(case["length"])
    assert merkle.replica_root(from_shake, case["leaf_size"]).hex() == case["root"]


def test_known_holding_root():
    commitments = [
        Commitment(case["length"], Digest(bytes.fromhex(case["root"])))
        for case in VECTORS["commitments"]
    ]
    assert merkle.holding_root(commitments).hex() == VECTORS["holding_root"]


def test_replica_root_takes_any_buffer():
    data = data_of(5000)
    roots = {merkle.replica_root(kind(data), 256) for kind in (bytes, bytearray, memoryview)}
    assert len(roots) == 1


def test_no_bytes_are_one_empty_leaf():
    assert merkle.replica_leaves(b"", 64) == [sha256(b"\0").digest()]
    assert merkle.leaf_count(0, 64) == 1


@pytest.mark.parametrize(
    ("length", "count"), [(1, 1), (64, 1), (65, 2), (128, 2), (129, 3), (4 << 20, 65536)]
)
def test_leaf_count(length, count):
    assert merkle.leaf_count(length, 64) == count


@pytest.mark.parametrize(("count", "depth"), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (1024, 10)])
def test_depth(count, depth):
    assert merkle.depth(count) == depth


def test_the_last_leaf_is_hashed_unpadded():
    short, padded = b"a" * 65, b"a" * 65 + bytes(63)
    assert merkle.replica_root(short, 64) != merkle.replica_root(padded, 64)


@pytest.mark.parametrize("count", SIZES)
def test_every_leaf_leads_to_the_root(count):
    leaves, root = LEAVES[:count], merkle.root(LEAVES[:count])
    for index, leaf in enumerate(leaves):
        siblings = merkle.path(leaves, index)
        assert merkle.climb(leaf, index, siblings) == root
        assert merkle.leads_to(leaf, index, count, siblings, root)


@pytest.mark.parametrize("count", SIZES)
def test_no_other_leaf_index_or_path_leads_to_the_root(count):
    leaves, root = LEAVES[:count], merkle.root(LEAVES[:count])
    stranger = Digest(b"x" * 32)
    for index, leaf in enumerate(leaves):
        siblings = merkle.path(leaves, index)
        assert not merkle.leads_to(stranger, index, count, siblings, root)
        for other in {(index + 1) % count, index ^ 1, count - 1, count, -1} - {index}:
            assert not merkle.leads_to(leaf, other, count, siblings, root)
        for height in range(len(siblings)):
            wrong = (*siblings[:height], stranger, *siblings[height + 1 :])
            assert not merkle.leads_to(leaf, index, count, wrong, root)
        for wrong in (siblings[1:], siblings[:-1], (*siblings, stranger)):
            if wrong != siblings:
                assert not merkle.leads_to(leaf, index, count, wrong, root)


def test_an_inner_node_is_no_leaf():
    node = merkle.root(LEAVES[:2])
    root, siblings = merkle.root(LEAVES[:4]), (merkle.root(LEAVES[2:4]),)
    assert merkle.climb(node, 0, siblings) == root
    assert not merkle.leads_to(node, 0, 4, siblings, root)


def test_a_missing_leaf_cannot_be_shown():
    root = merkle.root(LEAVES[:3])
    siblings = merkle.path([*LEAVES[:3], merkle.MISSING[0]], 3)
    assert merkle.climb(merkle.MISSING[0], 3, siblings) == root
    assert not merkle.leads_to(merkle.MISSING[0], 3, 3, siblings, root)


def test_climbing_from_beyond_the_tree_is_refused():
    with pytest.raises(IntegrityError, match="leaf 4 does not exist"):
        merkle.climb(LEAVES[0], 4, LEAVES[:2])


def test_length_is_part_of_a_replica_leaf():
    root = LEAVES[0]
    assert merkle.replica_leaf(Commitment(5, root)) != merkle.replica_leaf(Commitment(6, root))


@pytest.mark.parametrize("count", SIZES[:-1])
def test_extension_equals_direct_computation(count):
    leaves, leaf = LEAVES[:count], LEAVES[count]
    siblings = merkle.extension_siblings(leaves)
    root = merkle.root(leaves)
    assert merkle.extended_root(root, count, leaf, siblings) == merkle.root([*leaves, leaf])


@pytest.mark.parametrize("count", SIZES[:-1])
def test_extension_of_a_changed_tree_is_refused(count):
    leaves = LEAVES[:count]
    root = merkle.root(leaves)
    for index in range(count):
        changed = [*leaves[:index], Digest(b"x" * 32), *leaves[index + 1 :]]
        with pytest.raises(IntegrityError, match="present root"):
            merkle.extended_root(root, count, LEAVES[-1], merkle.extension_siblings(changed))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 8, 13])
def test_extension_with_too_few_or_many_siblings_is_refused(count):
    root, siblings = merkle.root(LEAVES[:count]), merkle.extension_siblings(LEAVES[:count])
    for wrong in (siblings[1:], (*siblings, LEAVES[0]), ()):
        with pytest.raises(IntegrityError, match="siblings where"):
            merkle.extended_root(root, count, LEAVES[-1], wrong)


def test_a_full_tree_has_its_root_as_the_only_sibling():
    for count in (1, 2, 4, 32):
        assert merkle.extension_siblings(LEAVES[:count]) == (merkle.root(LEAVES[:count]),)


def test_a_file_tree_begins_with_the_manifest():
    manifest, holdings = LEAVES[0], LEAVES[1:4]
    assert merkle.file_root(manifest, holdings) == merkle.root(LEAVES[:4])
