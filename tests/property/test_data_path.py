"""A file comes back exactly, or not at all."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from xdb.core.coding import piece_length, pieces, restore
from xdb.core.encryption import decrypt_slice, encrypt_slice
from xdb.core.rebuild import rebuild_piece, restore_slice
from xdb.core.sealing import seal, slot_key, unseal
from xdb.core.slicing import SMALLEST_SLICE, TAG, Layout, cut, join
from xdb.errors import IntegrityError
from xdb.model.registry import Coding, Redundancy

S = SMALLEST_SLICE
BODY = S - TAG
KEY, PREFIX, FILE = b"k" * 32, b"prefix.", b"f" * 32
SEALING_KEY = b"s" * 32

cheap = settings(max_examples=100, deadline=None)
dear = settings(max_examples=40, deadline=None)

EDGES = sorted(
    {
        abs(slices * BODY + off)
        for slices in (0, 1, 2, 3)
        for off in (-17, -16, -1, 0, 1, 15, 16, 17)
    }
    | {slices * S + off for slices in (1, 2) for off in (-17, -16, -1, 0, 1, 17)}
)
sizes = st.sampled_from(EDGES) | st.integers(0, 3 * S)
fillings = st.sampled_from([b"\0", b"x\0", b"\0x", b"{}", b'{"size": 0}\n', b"\xff\0\0"])


@st.composite
def files(draw):
    """Contents that tempt: repeated, full of zeros at the end, looking like JSON."""
    size, filling = draw(sizes), draw(fillings)
    zeros = draw(st.integers(0, size) | st.sampled_from([0, size]))
    return (filling * (size // len(filling) + 1))[: size - zeros] + bytes(zeros)


redundancies = st.one_of(
    st.builds(Redundancy, st.just(Coding.COPIES), st.just(1), st.integers(1, 5)),
    st.tuples(st.integers(2, 6), st.integers(1, 4)).map(
        lambda shape: Redundancy(Coding.ERASURE, shape[0], sum(shape))
    ),
)


def encrypt(parts):
    return [
        encrypt_slice(KEY, PREFIX, FILE, index, index == len(parts) - 1, part)
        for index, part in enumerate(parts)
    ]


def decrypt(ciphers):
    return [
        decrypt_slice(KEY, PREFIX, FILE, index, index == len(ciphers) - 1, cipher)
        for index, cipher in enumerate(ciphers)
    ]


@cheap
@given(files())
def test_join_after_cut(data):
    parts = cut(data, S)
    layout = Layout(len(data), S)
    assert join(parts) == data
    assert [len(part) for part in parts] == [*map(layout.plain_length, range(layout.count))]
    assert all(len(part) == BODY for part in parts[:-1])
    assert parts[-1] or len(parts) == 1


def test_join_after_cut_for_every_length_modulo_a_slice():
    whole = b"not zero" + bytes(2 * S)
    for size in range(S, 2 * S):
        data = whole[:size]
        parts = cut(data, S)
        assert len(parts[-1]) == (size % BODY or BODY)
        assert join(parts) == data


@dear
@given(files())
@example(b"")
@example(bytes(BODY))
@example(bytes(2 * BODY))
def test_decrypt_after_encrypt(data):
    ciphers = encrypt(cut(data, S))
    layout = Layout(len(data), S)
    assert [len(cipher) for cipher in ciphers] == [*map(layout.cipher_length, range(layout.count))]
    assert all(len(cipher) == S for cipher in ciphers[:-1])
    assert join(decrypt(ciphers)) == data


@cheap
@given(st.binary(max_size=200), st.data())
def test_one_flipped_bit_fails(plain, data):
    (cipher,) = encrypt([plain])
    bit = data.draw(st.integers(0, 8 * len(cipher) - 1))
    damaged = bytearray(cipher)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(IntegrityError):
        decrypt([damaged])


@cheap
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=6), st.data())
def test_no_other_order_or_number_of_slices_opens(parts, data):
    ciphers = encrypt(parts)
    indexes = st.integers(0, len(ciphers) - 1)
    order = data.draw(st.lists(indexes, min_size=1, max_size=7))
    if order == [*range(len(ciphers))]:
        assert decrypt(ciphers) == parts
    else:
        with pytest.raises(IntegrityError):
            decrypt([ciphers[index] for index in order])


@cheap
@given(st.integers(0, 5), st.integers(0, 300_000), st.integers(0, 300_000))
def test_a_range_is_what_its_slices_hold(slices, offset, length):
    data = bytes(range(256)) * (slices * S // 256)
    parts = cut(data, S)
    found = b"".join(
        parts[index][start:stop]
        for index, start, stop in Layout(len(data), S).slices_of(offset, length)
    )
    assert found == data[offset : offset + length]


@cheap
@given(st.binary(max_size=300), st.integers(1, 300), st.integers(0, 2**32))
def test_sealing_is_its_own_inverse(piece, slot, number):
    key = slot_key(SEALING_KEY, slot)
    assert unseal(key, number, seal(key, number, piece)) == piece
    assert seal(key, number, seal(key, number, piece)) == piece


places = st.tuples(st.integers(1, 300), st.integers(0, 2**40))


@cheap
@given(places, places, st.binary(min_size=16, max_size=64))
def test_sealing_depends_on_slot_and_piece(one, other, piece):
    made = [seal(slot_key(SEALING_KEY, slot), number, piece) for slot, number in (one, other)]
    assert (made[0] == made[1]) == (one == other)


@cheap
@given(redundancies, st.binary(min_size=TAG, max_size=500), st.data())
def test_any_sufficient_pieces_restore(redundancy, slice_, data):
    made = pieces(redundancy, slice_)
    assert len(made) == redundancy.total
    assert {len(piece) for piece in made} == {piece_length(redundancy, len(slice_))}
    slots = data.draw(st.permutations(range(1, redundancy.total + 1)))
    count = data.draw(st.integers(redundancy.required, redundancy.total))
    found = {slot: made[slot - 1] for slot in slots[:count]}
    assert restore(redundancy, found, len(slice_)) == slice_


@cheap
@given(
    redundancies.filter(lambda redundancy: redundancy.total > redundancy.required),
    st.binary(min_size=TAG, max_size=500),
    st.integers(0, 2**20),
    st.data(),
)
def test_any_lost_replica_is_made_again(redundancy, slice_, number, data):
    sealed = {
        slot: seal(slot_key(SEALING_KEY, slot), number, piece)
        for slot, piece in enumerate(pieces(redundancy, slice_), start=1)
    }
    lost, *left = data.draw(st.permutations(range(1, redundancy.total + 1)))
    others = {slot: sealed[slot] for slot in left[: redundancy.required]}
    length = len(slice_)
    made = rebuild_piece(redundancy, length, others, SEALING_KEY, number, lost)
    assert made == sealed[lost]
    assert restore_slice(redundancy, length, others, SEALING_KEY, number) == slice_
