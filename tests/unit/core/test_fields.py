"""Counting the fields of a protobuf message without parsing it."""

import pytest

from xdb.core.fields import check_field_count

VARINT, FIXED64, BYTES, FIXED32 = b"\x08\x96\x01", b"\x11" + bytes(8), b"\x1a\x02ab", b"\x25abcd"


@pytest.mark.parametrize("field", [VARINT, FIXED64, BYTES, FIXED32])
def test_counting(field):
    check_field_count(b"", 0)
    check_field_count(field * 3, 3)
    with pytest.raises(ValueError, match="more than 2"):
        check_field_count(field * 3, 2)


@pytest.mark.parametrize("field", [VARINT, FIXED64, BYTES, FIXED32])
def test_cut_short(field):
    for length in range(1, len(field)):
        with pytest.raises(ValueError, match="too early"):
            check_field_count(field[:length], 1)


@pytest.mark.parametrize("data", [b"\x0b", b"\x0c", b"\x0e", b"\x0f"])
def test_groups_and_unknown_types_are_refused(data):
    with pytest.raises(ValueError, match="wire type"):
        check_field_count(data, 1)


def test_a_number_ends():
    with pytest.raises(ValueError, match="too early"):
        check_field_count(b"\x08" + b"\xff" * 20, 1)
