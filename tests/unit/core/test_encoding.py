"""The canonical encoding has one form per value and refuses every other."""

from dataclasses import dataclass

import pytest

from xdb.core.encoding import decode, encode
from xdb.model.ids import Address
from xdb.model.registry import Coding, Redundancy


@dataclass(frozen=True)
class Sample:
    number: int
    flag: bool
    coding: Coding
    who: Address
    text: str
    maybe: Address | None
    policies: tuple[Redundancy, ...]


SAMPLE = Sample(
    7, True, Coding.ERASURE, Address(b"a" * 20), "ü", None, (Redundancy(Coding.COPIES, 1, 3),)
)
BYTES = (
    b"\0\0\0\0\0\0\0\x07"
    b"\x01"
    b"\x02"
    + b"a" * 20
    + b"\0\0\0\x02\xc3\xbc"
    + b"\0"
    + b"\0\0\0\x01"
    + b"\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x03"
)


def test_known_bytes():
    assert encode(SAMPLE) == BYTES
    assert decode(Sample, BYTES) == SAMPLE


@pytest.mark.parametrize("cut", range(len(BYTES)))
def test_every_truncation_is_refused(cut):
    with pytest.raises(ValueError, match=r"."):
        decode(Sample, BYTES[:cut])


@pytest.mark.parametrize(
    "data",
    [
        BYTES + b"\0",
        BYTES[:8] + b"\x02" + BYTES[9:],  # a flag of 2
        BYTES[:9] + b"\x09" + BYTES[10:],  # no such coding
        BYTES[:30] + b"\0\0\0\x02\xff\xff" + BYTES[36:],  # no UTF-8
        BYTES[:37] + b"\xff\xff\xff\xff" + BYTES[41:],  # a count beyond the data
    ],
)
def test_other_forms_are_refused(data):
    with pytest.raises(ValueError, match=r"."):
        decode(Sample, data)


def test_values_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="unsigned"):
        encode(Redundancy(Coding.COPIES, -1, 3))
    with pytest.raises(ValueError, match="20 belong"):
        encode(Sample(1, True, Coding.COPIES, Address(b"short"), "", None, ()))
