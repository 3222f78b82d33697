"""The canonical encoding: how frozen records become the bytes that are hashed, signed and kept.

Fixed width, big endian, fields in the order of the class, no tags, no padding:

=====================  ==================================================
int                    8 bytes, unsigned
bool                   1 byte, 0 or 1
IntEnum                1 byte
identifier (ids.py)    its width
bytes, str (UTF-8)     4 bytes length, then the bytes
tuple[T, ...]          4 bytes count, then the items
T | None               1 byte 0, or 1 byte 1 and T
record                 its fields
=====================  ==================================================

One value has one encoding and `decode` accepts no other. A record's fields of fixed width are
written and read together (`core.runs`), the others one by one.
"""

import struct
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import IntEnum
from functools import cache
from itertools import groupby
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from xdb.core import runs
from xdb.core.runs import Shape
from xdb.model.ids import WIDTHS

T = TypeVar("T")

_Write = Callable[[Any, list[bytes]], None]
_Read = Callable[[bytes, int], tuple[Any, int]]

_U32 = struct.Struct(">I")
_count = _U32.unpack_from
_BOOL_AND_ABSENT = (b"\0", b"\1")


@dataclass(frozen=True, slots=True)
class _Codec:
    """How a kind is written and read; `shape` when all its values have one width.

    To read behind the end of the data is an IndexError, a struct.error or a ValueError.
    """

    write: _Write
    read: _Read
    shape: Shape | None = None


def encode(record: object) -> bytes:
    """The canonical bytes of a record. A value that does not fit its field is a ValueError."""
    parts: list[bytes] = []
    _codec(cast("Hashable", type(record))).write(record, parts)
    return b"".join(parts)


def decode(kind: type[T], data: bytes | memoryview) -> T:
    """The record that `encode` turned into `data`; ValueError when there is none."""
    whole = data if type(data) is bytes else bytes(memoryview(data))
    try:
        value, end = _codec(cast("Hashable", kind)).read(whole, 0)
    except (IndexError, struct.error) as error:
        raise ValueError("data ends too early") from error
    if end != len(whole):
        raise ValueError(f"{len(whole) - end} bytes too many behind {kind.__name__}")
    return value  # type: ignore[no-any-return]  # _codec(kind) reads a kind


@cache
def _codec(kind: Any) -> _Codec:  # noqa: ANN401  # any annotation can come here
    if kind in WIDTHS:
        return _fixed(runs.identifier(WIDTHS[kind]))
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _optional(kind)
    if origin is tuple:
        inner = _codec(get_args(kind)[0])
        return _many_fixed(inner.shape) if inner.shape else _many(inner)
    if kind in _PLAIN:
        return _PLAIN[kind]
    if isinstance(kind, type) and issubclass(kind, IntEnum):
        return _fixed(runs.enumeration(kind))
    if is_dataclass(kind):
        return _record(kind)
    raise TypeError(f"no canonical encoding for {kind}")


def _fixed(shape: Shape) -> _Codec:
    pack, unpack, width = runs.packer(shape), shape.struct.unpack_from, shape.struct.size
    build = runs.builder(shape)

    def write(value: object, out: list[bytes]) -> None:
        out.append(pack(value))

    def read(data: bytes, at: int) -> tuple[object, int]:
        return build(unpack(data, at)), at + width

    return _Codec(write, read, shape)


def _end(data: bytes, at: int, width: int) -> int:
    """Where as many of a width end as the count at `at` says."""
    end: int = at + 4 + _count(data, at)[0] * width
    if end > len(data):
        raise ValueError("data ends too early")
    return end


def _write_bytes(value: bytes, out: list[bytes]) -> None:
    out.append(_U32.pack(len(value)))
    out.append(bytes(value))


def _read_bytes(data: bytes, at: int) -> tuple[bytes, int]:
    end = _end(data, at, 1)
    return data[at + 4 : end], end


def _write_text(value: str, out: list[bytes]) -> None:
    _write_bytes(value.encode(), out)


def _read_text(data: bytes, at: int) -> tuple[str, int]:
    raw, end = _read_bytes(data, at)
    return raw.decode(), end  # a UnicodeDecodeError is a ValueError


_PLAIN: dict[object, _Codec] = {
    int: _fixed(runs.number()),
    bool: _fixed(runs.flag()),
    bytes: _Codec(_write_bytes, _read_bytes),
    str: _Codec(_write_text, _read_text),
}


def _optional(kind: object) -> _Codec:
    inner = [argument for argument in get_args(kind) if argument is not NoneType]
    if len(inner) != 1:
        raise TypeError(f"no canonical encoding for {kind}")
    write_inner, read_inner = _codec(inner[0]).write, _codec(inner[0]).read

    def write(value: object, out: list[bytes]) -> None:
        out.append(_BOOL_AND_ABSENT[value is not None])
        if value is not None:
            write_inner(value, out)

    def read(data: bytes, at: int) -> tuple[object, int]:
        present = data[at]
        if present > 1:
            raise ValueError(f"{present} is no flag")
        return read_inner(data, at + 1) if present else (None, at + 1)

    return _Codec(write, read)


def _many(inner: _Codec) -> _Codec:
    write_inner, read_inner = inner.write, inner.read

    def write(values: tuple[object, ...], out: list[bytes]) -> None:
        out.append(_U32.pack(len(values)))
        for value in values:
            write_inner(value, out)

    def read(data: bytes, at: int) -> tuple[tuple[object, ...], int]:
        _end(data, at, 1)  # every item takes a byte at least
        (count,) = _count(data, at)
        at += 4
        items = []
        for _ in range(count):
            item, at = read_inner(data, at)
            items.append(item)
        return tuple(items), at

    return _Codec(write, read)


def _many_fixed(shape: Shape) -> _Codec:
    pack, each = runs.packer(shape), runs.each(shape)
    unpack_all, width = shape.struct.iter_unpack, shape.struct.size

    def write(values: tuple[object, ...], out: list[bytes]) -> None:
        out.append(_U32.pack(len(values)))
        out.extend(map(pack, values))

    def read(data: bytes, at: int) -> tuple[tuple[object, ...], int]:
        end = _end(data, at, width)
        return tuple(each(unpack_all(data[at + 4 : end]))), end

    return _Codec(write, read)


def _record(kind: Any) -> _Codec:  # noqa: ANN401  # a dataclass
    hints = get_type_hints(kind)
    named = [(field.name, _codec(hints[field.name])) for field in fields(kind)]
    shaped = [(name, codec.shape) for name, codec in named if codec.shape]
    if shaped and len(shaped) == len(named):
        return _fixed(runs.record(kind, shaped))
    steps: list[tuple[_Write, _ReadFields]] = []
    for fits, group in groupby(named, key=lambda pair: bool(pair[1].shape)):
        together = list(group)
        steps += [_run(together)] if fits else [_field(*pair) for pair in together]

    def write(record: object, out: list[bytes]) -> None:
        for write_fields, _ in steps:
            write_fields(record, out)

    def read(data: bytes, at: int) -> tuple[object, int]:
        values: list[object] = []
        for _, read_fields in steps:
            at = read_fields(data, at, values)
        return kind(*values), at

    return _Codec(write, read)


_ReadFields = Callable[[bytes, int, list[object]], int]
"""Appends the values of some fields to those before, gives the end."""


def _run(named: Sequence[tuple[str, _Codec]]) -> tuple[_Write, _ReadFields]:
    shape = runs.run([(name, codec.shape) for name, codec in named if codec.shape])
    pack, unpack, width = runs.packer(shape), shape.struct.unpack_from, shape.struct.size
    settle = shape.settle

    def write(record: object, out: list[bytes]) -> None:
        out.append(pack(record))

    def read(data: bytes, at: int, values: list[object]) -> int:
        flat = unpack(data, at)
        values += settle(flat) if settle else flat
        return at + width

    return write, read


def _field(name: str, codec: _Codec) -> tuple[_Write, _ReadFields]:
    value_of, write_value, read_value = attrgetter(name), codec.write, codec.read

    def write(record: object, out: list[bytes]) -> None:
        write_value(value_of(record), out)

    def read(data: bytes, at: int, values: list[object]) -> int:
        value, at = read_value(data, at)
        values.append(value)
        return at

    return write, read
