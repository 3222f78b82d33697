"""The canonical encoding is its table: compared with a plain reading of it, field by field."""

import struct
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import IntEnum
from types import NoneType
from typing import get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xdb.core.encoding import decode, encode
from xdb.core.rules.state import FileEntry
from xdb.index.keys import AuditEntry, MigrationEntry, NamespaceEntry, SegmentEntry, Undo
from xdb.index.views import FileView
from xdb.model.ids import WIDTHS, Address, Digest
from xdb.model.registry import (
    Coding,
    Endpoint,
    FileRecord,
    Holder,
    Holding,
    NodeRecord,
    Parameters,
    Receipt,
    Redundancy,
)


class Wide(IntEnum):
    """One member has no byte, one is nothing."""

    NONE = 0
    LAST = 255
    TOO_MUCH = 256


@dataclass(frozen=True)
class Inner:
    """Of fixed width, with everything that is not passed on as it is."""

    flag: bool
    wide: Wide
    who: Address


@dataclass(frozen=True)
class Nested:
    """Fixed within fixed within fixed, before, between and behind numbers."""

    first: Inner
    number: int
    redundancy: Redundancy
    last: Inner


@dataclass(frozen=True)
class Mixed:
    """Runs of all lengths, and everything whose length varies."""

    nested: Nested
    text: str
    flag: bool
    maybe: Inner | None
    data: bytes
    one: Digest
    two: Nested
    three: int
    flags: tuple[bool, ...]
    wides: tuple[Wide, ...]
    inners: tuple[Inner, ...]
    whole: tuple[Nested, ...]
    texts: tuple[str, ...]
    numbers: tuple[int, ...]
    maybes: tuple[int | None, ...]


@dataclass(frozen=True)
class Many:
    """A record with nothing but a list of them."""

    items: tuple[Nested, ...]


@dataclass(frozen=True)
class Between:
    """One between two that vary."""

    before: str
    nested: Nested
    behind: str


@dataclass(frozen=True)
class Empty:
    """No field at all."""


KINDS = [
    *(
        Inner,
        Nested,
        Mixed,
        Many,
        Between,
        Empty,
        FileEntry,
        FileRecord,
        FileView,
        Holder,
        Holding,
        NodeRecord,
    ),
    *(Endpoint, Parameters, Receipt, AuditEntry, MigrationEntry, NamespaceEntry, SegmentEntry),
    *(Undo, int, bool, bytes, str, Coding),
]


def write(kind, value):  # noqa: PLR0911  # a line of the table each
    if kind in WIDTHS:
        if len(value) != WIDTHS[kind]:
            raise ValueError
        return bytes(value)
    if kind is int:
        return value.to_bytes(8, "big")
    if kind is bool:
        return b"\1" if value else b"\0"
    if kind is bytes:
        return struct.pack(">I", len(value)) + value
    if kind is str:
        return write(bytes, value.encode())
    if get_origin(kind) is tuple:
        items = [write(get_args(kind)[0], item) for item in value]
        return struct.pack(">I", len(items)) + b"".join(items)
    if NoneType in get_args(kind):
        return b"\0" if value is None else b"\1" + write(get_args(kind)[0], value)
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return b"".join(write(hints[f.name], getattr(value, f.name)) for f in fields(kind))
    return bytes((kind(value),))


class Bytes:
    """What is left to read."""

    def __init__(self, data):
        self.left = data

    def take(self, count):
        if count > len(self.left):
            raise ValueError
        taken, self.left = self.left[:count], self.left[count:]
        return taken

    def number(self, width):
        return int.from_bytes(self.take(width), "big")

    def read(self, kind):  # noqa: PLR0911  # likewise
        if kind in WIDTHS:
            return self.take(WIDTHS[kind])
        if kind is int:
            return self.number(8)
        if kind is bool:
            return self.flag()
        if kind is bytes:
            return self.take(self.number(4))
        if kind is str:
            return self.read(bytes).decode()
        if get_origin(kind) is tuple:
            count = self.number(4)
            if count > len(self.left):
                raise ValueError
            return tuple(self.read(get_args(kind)[0]) for _ in range(count))
        if NoneType in get_args(kind):
            return self.read(get_args(kind)[0]) if self.flag() else None
        if is_dataclass(kind):
            hints = get_type_hints(kind)
            return kind(*[self.read(hints[f.name]) for f in fields(kind)])
        return kind(self.number(1))

    def flag(self):
        byte = self.number(1)
        if byte > 1:
            raise ValueError
        return byte == 1


def plainly(kind, data):
    """The value, or None where there is none."""
    left = Bytes(data)
    try:
        value = left.read(kind)
    except ValueError:
        return None
    return None if left.left else value


PLAIN = {
    int: st.integers(0, 2**64 - 1),
    bool: st.booleans(),
    bytes: st.binary(max_size=5),
    str: st.text(max_size=5),
}


def of(kind):
    """Values of a kind."""
    if kind in WIDTHS:
        return st.binary(min_size=WIDTHS[kind], max_size=WIDTHS[kind])
    if get_origin(kind) is tuple:
        return st.lists(of(get_args(kind)[0]), max_size=3).map(tuple)
    if NoneType in get_args(kind):
        return st.none() | of(get_args(kind)[0])
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return st.builds(kind, **{field.name: of(hints[field.name]) for field in fields(kind)})
    if issubclass(kind, IntEnum):
        return st.sampled_from([member for member in kind if member < 256])
    return PLAIN[kind]


cheap = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


@kinds
@cheap
@given(st.data())
def test_bytes_and_values_are_those_of_the_table(kind, data):
    value = data.draw(of(kind))
    written = encode(value)
    assert written == write(kind, value)
    for form in (written, bytearray(written), memoryview(b"x" + written)[1:]):
        read = decode(kind, form)
        assert read == value
        assert types_in(read) == types_in(value)


def types_in(value):
    """The classes of a value and all within, which equality does not see."""
    if is_dataclass(value):
        inner = [types_in(getattr(value, field.name)) for field in fields(value)]
    else:
        inner = [types_in(item) for item in value] if isinstance(value, tuple) else []
    return type(value), inner


@kinds
@cheap
@given(st.data())
def test_damaged_bytes_are_another_value_or_none(kind, data):
    written = bytearray(encode(data.draw(of(kind))))
    at = data.draw(st.integers(0, len(written)))
    end = data.draw(st.integers(at, min(len(written), at + 3)))
    written[at:end] = data.draw(st.sampled_from([b"", b"\0", b"\1", b"\2", b"\xff", b"\0" * 9]))
    expected = plainly(kind, bytes(written))
    if expected is None:
        with pytest.raises(ValueError, match=r"."):
            decode(kind, bytes(written))
    else:
        assert decode(kind, bytes(written)) == expected
        assert encode(expected) == written


GOOD = Nested(Inner(True, Wide.NONE, Address(bytes(20))), 1, Redundancy(Coding.COPIES, 1, 3), None)
GOOD = replace(GOOD, last=GOOD.first)


@pytest.mark.parametrize(
    "bad",
    [
        replace(GOOD, number=-1),
        replace(GOOD, number=1 << 64),
        replace(GOOD, number="1"),
        replace(GOOD, number=1.0),
        replace(GOOD, first=replace(GOOD.first, who=bytes(19))),
        replace(GOOD, last=replace(GOOD.last, who=bytes(21))),
        replace(GOOD, last=replace(GOOD.last, wide=Wide.TOO_MUCH)),
        replace(GOOD, last=replace(GOOD.last, wide=7)),
        replace(GOOD, redundancy=replace(GOOD.redundancy, coding=0)),
    ],
)
def test_what_does_not_fit_is_refused_wherever_it_stands(bad):
    for value in (bad, Many((bad,)), Between("", bad, "")):
        with pytest.raises(ValueError, match=r"."):
            encode(value)


def test_what_stands_for_a_value_is_written_as_it():
    loose = replace(GOOD, number=True, first=replace(GOOD.first, flag=5, who=bytearray(20)))
    loose = replace(loose, redundancy=replace(loose.redundancy, coding=1))
    assert encode(loose) == encode(GOOD)
    assert encode(replace(GOOD, first=replace(GOOD.first, who=memoryview(bytes(20))))) == encode(
        GOOD
    )
