"""What an owner takes for a leaf of its replica, and every lie about one refused."""

from dataclasses import replace

import pytest

from xdb.core import merkle
from xdb.core.probing import check_leaf
from xdb.errors import IntegrityError, InvalidRequestError
from xdb.model.ids import Digest, FileId
from xdb.model.registry import Holding
from xdb.model.storage import Commitment, LeafShown, ReplicaKey

LEAF_SIZE = 64
FILE = FileId(b"f" * 32)
LENGTHS = (5 * LEAF_SIZE, 5 * LEAF_SIZE - 3, 2 * LEAF_SIZE + 1)
DATA = [bytes((31 * n + i) % 256 for i in range(length)) for n, length in enumerate(LENGTHS)]
COUNTS = [merkle.leaf_count(length, LEAF_SIZE) for length in LENGTHS]
PLACES = [(piece, leaf) for piece, count in enumerate(COUNTS) for leaf in range(count)]


def commitments(data):
    return [Commitment(len(part), merkle.replica_root(part, LEAF_SIZE)) for part in data]


def holding(data=DATA):
    counts = [merkle.leaf_count(len(part), LEAF_SIZE) for part in data]
    return Holding(
        root=merkle.holding_root(commitments(data)),
        leaves=sum(counts),
        replica_leaves=counts[0],
        size=sum(map(len, data)),
        latest_expiry=0,
    )


def shown(piece, leaf, data=DATA):
    start = leaf * LEAF_SIZE
    entries = [merkle.replica_leaf(commitment) for commitment in commitments(data)]
    return LeafShown(
        data=data[piece][start : start + LEAF_SIZE],
        replica_length=len(data[piece]),
        replica_path=merkle.path(merkle.replica_leaves(data[piece], LEAF_SIZE), leaf),
        holding_path=merkle.path(entries, piece),
    )


def check(answer, piece, leaf, held=None):
    check_leaf(answer, LEAF_SIZE, held or holding(), ReplicaKey(FILE, 2, piece), leaf)


@pytest.mark.parametrize(("piece", "leaf"), PLACES)
def test_every_leaf_as_it_is(piece, leaf):
    check(shown(piece, leaf), piece, leaf)


@pytest.mark.parametrize("data", [[b""], [b"x"], [bytes(LEAF_SIZE)], [bytes(LEAF_SIZE + 1)]])
def test_the_smallest_holdings(data):
    check(shown(0, 0, data), 0, 0, holding(data))


@pytest.mark.parametrize(("piece", "leaf"), PLACES)
def test_a_leaf_shown_for_another(piece, leaf):
    answer = shown(piece, leaf)
    for asked in PLACES:
        if asked != (piece, leaf):
            with pytest.raises(IntegrityError, match=f"slot 2 of file {FILE.hex()}"):
                check(answer, *asked)


@pytest.mark.parametrize(("piece", "leaf"), PLACES)
def test_other_bytes(piece, leaf):
    answer = shown(piece, leaf)
    flipped = bytes([answer.data[0] ^ 1]) + answer.data[1:]
    with pytest.raises(IntegrityError, match="does not lead to the root"):
        check(replace(answer, data=flipped), piece, leaf)
    for data in (answer.data[:-1], answer.data + b"\0"):
        with pytest.raises(IntegrityError, match="bytes where"):
            check(replace(answer, data=data), piece, leaf)


def test_another_length():
    answer = shown(1, 4)
    with pytest.raises(IntegrityError, match="does not lead to the root"):
        check(replace(shown(1, 0), replica_length=LENGTHS[1] + 1), 1, 0)
    with pytest.raises(IntegrityError, match="bytes where"):
        check(replace(answer, replica_length=LENGTHS[1] + 1), 1, 4)
    for length in (0, 4 * LEAF_SIZE, 5 * LEAF_SIZE + 1, 1 << 60):
        with pytest.raises(IntegrityError, match="does not have 5 leaves"):
            check(replace(answer, replica_length=length), 1, 4)


def test_paths_cut_or_drawn_out():
    answer = shown(1, 2)
    extra = (Digest(bytes(32)),)
    for path in ((), answer.replica_path[:-1], answer.replica_path + extra):
        with pytest.raises(IntegrityError, match="replica path"):
            check(replace(answer, replica_path=path), 1, 2)
    for path in ((), answer.holding_path[:-1], answer.holding_path + extra):
        with pytest.raises(IntegrityError, match="does not lead"):
            check(replace(answer, holding_path=path), 1, 2)


def test_another_holding():
    with pytest.raises(IntegrityError):
        check(shown(0, 0), 0, 0, replace(holding(), root=Digest(bytes(32))))


@pytest.mark.parametrize(("piece", "leaf"), [(0, 5), (0, -1), (2, 3), (2, 5), (3, 0), (-1, 0)])
def test_a_leaf_that_nobody_can_show(piece, leaf):
    with pytest.raises(InvalidRequestError, match=f"no leaf {leaf} of piece {piece}"):
        check(shown(0, 0), piece, leaf)
