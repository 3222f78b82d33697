"""A lost replica comes back bit for bit, from every sufficient set of others."""

import itertools

import pytest

from xdb.core.coding import pieces
from xdb.core.rebuild import rebuild_piece, restore_slice
from xdb.core.sealing import seal, slot_key
from xdb.model.registry import Coding, Redundancy

KEY = b"k" * 32
POLICIES = [
    Redundancy(Coding.COPIES, 1, 2),
    Redundancy(Coding.COPIES, 1, 4),
    Redundancy(Coding.ERASURE, 2, 3),
    Redundancy(Coding.ERASURE, 2, 5),
    Redundancy(Coding.ERASURE, 3, 5),
    Redundancy(Coding.ERASURE, 4, 6),
]


def sealed_by_slot(redundancy, data, piece):
    return {
        slot: seal(slot_key(KEY, slot), piece, plain)
        for slot, plain in enumerate(pieces(redundancy, data), start=1)
    }


@pytest.mark.parametrize("redundancy", POLICIES, ids=str)
@pytest.mark.parametrize("length", [16, 17, 1000, 1001])
def test_every_slot_from_every_sufficient_set(redundancy, length):
    data = bytes(index * 31 % 256 for index in range(length - 3)) + bytes(3)
    sealed = sealed_by_slot(redundancy, data, 7)
    for chosen in itertools.combinations(sealed, redundancy.required):
        subset = {slot: sealed[slot] for slot in chosen}
        assert restore_slice(redundancy, length, subset, KEY, 7) == data
        for slot in set(sealed) - set(chosen):
            assert rebuild_piece(redundancy, length, subset, KEY, 7, slot) == sealed[slot]


def test_what_is_left_of_the_lost_slot_is_not_used():
    redundancy, data = Redundancy(Coding.COPIES, 1, 2), b"some slice of ciphertext"
    sealed = sealed_by_slot(redundancy, data, 0)
    damaged = {**sealed, 1: b"x" * len(data)}
    assert rebuild_piece(redundancy, len(data), damaged, KEY, 0, 1) == sealed[1]


def test_an_added_slot_is_made_like_a_lost_one():
    before, after = Redundancy(Coding.ERASURE, 2, 3), Redundancy(Coding.ERASURE, 2, 4)
    data = b"some slice of ciphertext"
    sealed = sealed_by_slot(before, data, 0)
    assert rebuild_piece(after, len(data), sealed, KEY, 0, 4) == sealed_by_slot(after, data, 0)[4]


def test_too_few_others_are_a_bug():
    redundancy, data = Redundancy(Coding.ERASURE, 2, 3), b"some slice of ciphertext"
    sealed = sealed_by_slot(redundancy, data, 0)
    with pytest.raises(ValueError, match="pieces where 2"):
        rebuild_piece(redundancy, len(data), {1: sealed[1], 3: sealed[3]}, KEY, 0, 3)


@pytest.mark.parametrize("slot", [0, 4])
def test_slots_that_do_not_exist_are_a_bug(slot):
    redundancy, data = Redundancy(Coding.ERASURE, 2, 3), b"some slice of ciphertext"
    sealed = sealed_by_slot(redundancy, data, 0)
    with pytest.raises(ValueError, match=f"slot {slot} of a file of 3"):
        rebuild_piece(redundancy, len(data), sealed, KEY, 0, slot)
    with pytest.raises(ValueError, match=f"slot {slot} of a file of 3"):
        restore_slice(redundancy, len(data), {slot: sealed[1], 3: sealed[3]}, KEY, 0)
