"""Erasure coding against an implementation of its own; copies without any library."""

import json
import subprocess
import sys
from hashlib import sha256, shake_256
from pathlib import Path

import pytest

from xdb.core.coding import piece_length, pieces, restore
from xdb.errors import IntegrityError
from xdb.model.registry import Coding, Redundancy

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/coding.json").read_text())
COPIES = Redundancy(Coding.COPIES, 1, 3)


def erasure(required, total):
    return Redundancy(Coding.ERASURE, required, total)


def name(case):
    return f"{case['required']}+{case['total'] - case['required']}"


@pytest.mark.parametrize("case", VECTORS["small"], ids=name)
def test_known_pieces(case):
    made = pieces(erasure(case["required"], case["total"]), bytes.fromhex(case["data"]))
    assert [bytes(piece).hex() for piece in made] == case["pieces"]


@pytest.mark.parametrize("case", VECTORS["large"], ids=name)
def test_known_pieces_of_large_slices(case):
    data = shake_256(b"data").digest(case["length"])
    made = pieces(erasure(case["required"], case["total"]), data)
    assert [sha256(piece).hexdigest() for piece in made] == case["digests"]


@pytest.mark.parametrize("case", VECTORS["small"], ids=name)
def test_restoring_from_the_last_pieces(case):
    redundancy, data = erasure(case["required"], case["total"]), bytes.fromhex(case["data"])
    found = {slot: bytes.fromhex(piece) for slot, piece in enumerate(case["pieces"], start=1)}
    last = {slot: found[slot] for slot in sorted(found)[-case["required"] :]}
    assert restore(redundancy, last, len(data)) == data
    assert restore(redundancy, found, len(data)) == data


def test_copies_are_the_same_buffer():
    data = memoryview(b"some bytes")
    made = pieces(COPIES, data)
    assert len(made) == 3
    assert all(piece is data for piece in made)
    assert restore(COPIES, {2: data}, len(data)) == data
    assert piece_length(COPIES, 10) == 10


@pytest.mark.parametrize(
    ("length", "piece"), [(16, 4), (17, 5), (20, 5), (21, 6), (1 << 22, 1 << 20)]
)
def test_piece_length(length, piece):
    assert piece_length(erasure(4, 6), length) == piece
    assert {len(made) for made in pieces(erasure(4, 6), bytes(length))} == {piece}


def test_a_piece_does_not_depend_on_the_number_of_slots():
    data = bytes(range(200))
    few, many = pieces(erasure(4, 6), data), pieces(erasure(4, 9), data)
    assert [bytes(piece) for piece in few] == [bytes(piece) for piece in many[:6]]


def test_the_widest_code():
    redundancy, data = erasure(200, 255), bytes(range(256)) * 5
    made = pieces(redundancy, data)
    found = {slot: made[slot - 1] for slot in range(56, 256)}
    assert restore(redundancy, found, len(data)) == data


@pytest.mark.parametrize("redundancy", [COPIES, erasure(2, 3)])
def test_a_piece_of_the_wrong_length_is_named(redundancy):
    found = dict.fromkeys((1, 3), b"12345")
    with pytest.raises(IntegrityError, match="slot 1 has 5 bytes"):
        restore(redundancy, found, 100)


def test_too_few_pieces_are_a_bug():
    with pytest.raises(ValueError, match="1 pieces where 2"):
        restore(erasure(2, 3), {1: b"x"}, 2)
    with pytest.raises(ValueError, match="0 pieces where 1"):
        restore(COPIES, {}, 2)


def test_copies_and_whole_slices_do_not_load_the_coder():
    program = """
import sys
from xdb.core.coding import pieces, restore
from xdb.model.registry import Coding, Redundancy
pieces(Redundancy(Coding.COPIES, 1, 3), b"data")
restore(Redundancy(Coding.COPIES, 1, 3), {2: b"data"}, 4)
restore(Redundancy(Coding.ERASURE, 2, 3), {1: b"da", 2: b"ta"}, 4)
sys.exit(any(name.startswith("pyeclib") for name in sys.modules))
"""
    subprocess.run([sys.executable, "-c", program], check=True)
