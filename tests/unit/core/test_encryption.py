"""Slices open in their place only."""

import json
from pathlib import Path

import pytest

from xdb.core.encryption import decrypt_slice, encrypt_slice
from xdb.core.slicing import SMALLEST_SLICE, TAG, Layout, cut
from xdb.errors import IntegrityError

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/slices.json").read_text())
KEY, PREFIX = bytes.fromhex(VECTORS["content_key"]), bytes.fromhex(VECTORS["prefix"])
FILE = bytes.fromhex(VECTORS["file"])
OTHER_FILE = b"o" * 32


def encrypt(index, last, plain):
    return encrypt_slice(KEY, PREFIX, FILE, index, last, plain)


def decrypt(index, last, cipher):
    return decrypt_slice(KEY, PREFIX, FILE, index, last, cipher)


@pytest.mark.parametrize("case", VECTORS["cases"], ids=str)
def test_known_bytes(case):
    plain, cipher = bytes.fromhex(case["plain"]), bytes.fromhex(case["cipher"])
    assert encrypt(case["index"], case["last"], plain) == cipher
    assert decrypt(case["index"], case["last"], cipher) == plain


def test_a_full_slice_is_exactly_its_size():
    (plain,) = cut(bytes(SMALLEST_SLICE - TAG), SMALLEST_SLICE)
    assert len(encrypt(0, True, plain)) == SMALLEST_SLICE


def test_any_buffer_will_do():
    plain = b"some plaintext"
    made = {bytes(encrypt(1, True, kind(plain))) for kind in (bytes, bytearray, memoryview)}
    assert len(made) == 1
    assert decrypt(1, True, memoryview(made.pop())) == plain


def test_every_flipped_bit_is_found():
    cipher = encrypt(3, True, b"plain")
    for bit in range(8 * len(cipher)):
        flipped = bytearray(cipher)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(IntegrityError, match="slice 3 of file"):
            decrypt(3, True, flipped)


def test_a_slice_opens_nowhere_else():
    cipher = encrypt(3, False, b"plain")
    places = [
        (KEY, PREFIX, FILE, 3, True),  # made the last one: truncation
        (KEY, PREFIX, FILE, 4, False),
        (KEY, PREFIX, OTHER_FILE, 3, False),
        (KEY, b"another", FILE, 3, False),
        (b"k" * 32, PREFIX, FILE, 3, False),
    ]
    for place in places:
        with pytest.raises(IntegrityError, match="does not decrypt"):
            decrypt_slice(*place, cipher)


@pytest.mark.parametrize("length", [0, 1, 15, 16])
def test_what_is_shorter_than_its_tag_is_damaged(length):
    with pytest.raises(IntegrityError):
        decrypt(0, True, bytes(length))


def test_an_empty_file_is_one_authenticated_slice():
    cipher = encrypt(0, True, b"")
    assert len(cipher) == TAG == Layout(0, SMALLEST_SLICE).last_cipher_length
    assert decrypt(0, True, cipher) == b""


def test_a_wrong_prefix_is_a_bug():
    with pytest.raises(ValueError, match="nonce prefix"):
        encrypt_slice(KEY, b"short", FILE, 0, True, b"")
