"""Exact lengths, whatever the size."""

import pytest

from xdb.core.slicing import (
    DEFAULT_SLICE,
    LARGEST_SLICE,
    MAX_SLICES,
    SMALLEST_SLICE,
    TAG,
    Layout,
    cut,
    is_slice_size,
    join,
)

S = SMALLEST_SLICE
BODY = S - TAG
TIB = 1 << 40


@pytest.mark.parametrize(
    ("size", "count", "last"),
    [
        (0, 1, 0),
        (1, 1, 1),
        (S - 17, 1, S - 17),
        (S - 16, 1, S - 16),
        (S - 15, 2, 1),
        (S, 2, 16),
        (S + 1, 2, 17),
        (2 * BODY, 2, BODY),
        (2 * BODY + 1, 3, 1),
    ],
)
def test_the_cut(size, count, last):
    layout = Layout(size, S)
    assert layout.count == count
    assert layout.plain_length(count - 1) == last
    assert layout.last_cipher_length == last + TAG
    assert [layout.is_last(index) for index in range(count)] == [False] * (count - 1) + [True]
    assert sum(map(layout.plain_length, range(count))) == size
    assert sum(map(layout.cipher_length, range(count))) == layout.cipher_size
    assert [len(part) for part in cut(bytes(size), S)] == [*map(layout.plain_length, range(count))]


@pytest.mark.parametrize("off", [-17, -16, -1, 0, 1, 15, 16, 17])
def test_sizes_of_large_files_are_exact(off):
    layout = Layout(TIB + off, DEFAULT_SLICE)
    full, rest = divmod(TIB + off, DEFAULT_SLICE - TAG)
    assert layout.count == full + bool(rest)
    assert layout.plain_length(0) == DEFAULT_SLICE - TAG
    assert layout.plain_length(layout.count - 1) == (rest or DEFAULT_SLICE - TAG)
    assert layout.cipher_size == TIB + off + TAG * layout.count


def test_a_full_slice_has_a_power_of_two_of_bytes():
    assert Layout(TIB, DEFAULT_SLICE).cipher_length(0) == DEFAULT_SLICE


def test_slices_beyond_the_end_do_not_exist():
    for index in (-1, 2):
        with pytest.raises(ValueError, match=f"slice {index}"):
            Layout(S, S).plain_length(index)


@pytest.mark.parametrize(
    ("size", "slice_size"),
    [(-1, S), (1, S - 1), (1, S // 2), (1, S * 3), (1, 2 * LARGEST_SLICE), (1, 0), (1, -S)],
)
def test_impossible_layouts_are_refused(size, slice_size):
    with pytest.raises(ValueError, match="no "):
        Layout(size, slice_size)


def test_the_counter_ends_the_file():
    assert Layout(MAX_SLICES * BODY, S).count == MAX_SLICES
    with pytest.raises(ValueError, match="no file"):
        Layout(MAX_SLICES * BODY + 1, S)


def test_slice_sizes():
    assert [n for n in range(40) if is_slice_size(1 << n)] == list(range(16, 27))
    assert not is_slice_size(S + 1)


@pytest.mark.parametrize(
    ("offset", "length", "slices"),
    [
        (0, 0, []),
        (0, 1, [(0, 0, 1)]),
        (0, BODY, [(0, 0, BODY)]),
        (0, BODY + 1, [(0, 0, BODY), (1, 0, 1)]),
        (BODY - 1, 2, [(0, BODY - 1, BODY), (1, 0, 1)]),
        (BODY, 5, [(1, 0, 5)]),
        (1, 3 * BODY, [(0, 1, BODY), (1, 0, BODY), (2, 0, 10)]),
        (2 * BODY + 10, 5, []),
        (2 * BODY + 9, 5, [(2, 9, 10)]),
        (99 * BODY, 1, []),
    ],
)
def test_ranges(offset, length, slices):
    assert list(Layout(2 * BODY + 10, S).slices_of(offset, length)) == slices


def test_the_whole_of_an_empty_file_is_no_slice():
    assert list(Layout(0, S).slices_of(0, 100)) == []


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b'{"a": "\\u0000"}', bytes(3 * S), b"x" + bytes(BODY), bytes(BODY - 1) + b"x"],
)
def test_join_after_cut(data):
    assert join(cut(data, S)) == data
