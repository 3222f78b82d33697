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

One value has one encoding and `decode` accepts no other.
"""

import struct
from collections.abc import Callable, Hashable
from dataclasses import fields, is_dataclass
from enum import IntEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from xdb.model.ids import WIDTHS

T = TypeVar("T")

_Write = Callable[[Any, list[bytes]], None]
_Read = Callable[[memoryview, int], tuple[Any, int]]
_Codec = tuple[_Write, _Read]

_U64 = struct.Struct(">Q")
_U32 = struct.Struct(">I")
_BOOL_AND_ABSENT = (b"\0", b"\1")


def encode(record: object) -> bytes:
    """The canonical bytes of a record. A value that does not fit its field is a ValueError."""
    parts: list[bytes] = []
    _codec(cast("Hashable", type(record)))[0](record, parts)
    return b"".join(parts)


def decode(kind: type[T], data: bytes | memoryview) -> T:
    """The record that `encode` turned into `data`; ValueError when there is none."""
    view = memoryview(data)
    value, end = _codec(cast("Hashable", kind))[1](view, 0)
    if end != len(view):
        raise ValueError(f"{len(view) - end} bytes too many behind {kind.__name__}")
    return value  # type: ignore[no-any-return]  # _codec(kind) reads a kind


@cache
def _codec(kind: Any) -> _Codec:  # noqa: ANN401  # any annotation can come here
    if kind in WIDTHS:
        return _fixed(WIDTHS[kind])
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _optional(kind)
    if origin is tuple:
        return _many(_codec(get_args(kind)[0]))
    if kind in _PLAIN:
        return _PLAIN[kind]
    if isinstance(kind, type) and issubclass(kind, IntEnum):
        return _enum(kind)
    if is_dataclass(kind):
        return _record(kind)
    raise TypeError(f"no canonical encoding for {kind}")


def _take(view: memoryview, at: int, count: int) -> memoryview:
    if len(view) - at < count:
        raise ValueError("data ends too early")
    return view[at : at + count]


def _fixed(width: int) -> _Codec:
    def write(value: bytes, out: list[bytes]) -> None:
        if len(value) != width:
            raise ValueError(f"{len(value)} bytes where {width} belong")
        out.append(bytes(value))

    def read(view: memoryview, at: int) -> tuple[bytes, int]:
        return bytes(_take(view, at, width)), at + width

    return write, read


def _write_int(value: int, out: list[bytes]) -> None:
    try:
        out.append(_U64.pack(value))
    except struct.error as error:
        raise ValueError(f"{value} is no unsigned 64-bit integer") from error


def _read_int(view: memoryview, at: int) -> tuple[int, int]:
    return _U64.unpack(_take(view, at, 8))[0], at + 8


def _write_flag(value: object, out: list[bytes]) -> None:
    out.append(_BOOL_AND_ABSENT[bool(value)])


def _read_flag(view: memoryview, at: int) -> tuple[bool, int]:
    flag = _take(view, at, 1)[0]
    if flag > 1:
        raise ValueError(f"{flag} is no flag")
    return bool(flag), at + 1


def _write_bytes(value: bytes, out: list[bytes]) -> None:
    out.append(_U32.pack(len(value)))
    out.append(bytes(value))


def _read_count(view: memoryview, at: int) -> tuple[int, int]:
    return _U32.unpack(_take(view, at, 4))[0], at + 4


def _read_bytes(view: memoryview, at: int) -> tuple[bytes, int]:
    count, at = _read_count(view, at)
    return bytes(_take(view, at, count)), at + count


def _write_text(value: str, out: list[bytes]) -> None:
    _write_bytes(value.encode(), out)


def _read_text(view: memoryview, at: int) -> tuple[str, int]:
    raw, at = _read_bytes(view, at)
    return raw.decode(), at  # a UnicodeDecodeError is a ValueError


_PLAIN: dict[object, _Codec] = {
    int: (_write_int, _read_int),
    bool: (_write_flag, _read_flag),
    bytes: (_write_bytes, _read_bytes),
    str: (_write_text, _read_text),
}


def _enum(kind: type[IntEnum]) -> _Codec:
    def write(value: IntEnum, out: list[bytes]) -> None:
        out.append(bytes((kind(value),)))

    def read(view: memoryview, at: int) -> tuple[IntEnum, int]:
        return kind(_take(view, at, 1)[0]), at + 1

    return write, read


def _optional(kind: object) -> _Codec:
    inner = [argument for argument in get_args(kind) if argument is not NoneType]
    if len(inner) != 1:
        raise TypeError(f"no canonical encoding for {kind}")
    write_inner, read_inner = _codec(inner[0])

    def write(value: object, out: list[bytes]) -> None:
        _write_flag(value is not None, out)
        if value is not None:
            write_inner(value, out)

    def read(view: memoryview, at: int) -> tuple[object, int]:
        present, at = _read_flag(view, at)
        return read_inner(view, at) if present else (None, at)

    return write, read


def _many(inner: _Codec) -> _Codec:
    write_inner, read_inner = inner

    def write(values: tuple[object, ...], out: list[bytes]) -> None:
        out.append(_U32.pack(len(values)))
        for value in values:
            write_inner(value, out)

    def read(view: memoryview, at: int) -> tuple[tuple[object, ...], int]:
        count, at = _read_count(view, at)
        if count > len(view) - at:  # every item takes a byte at least
            raise ValueError("data ends too early")
        items = []
        for _ in range(count):
            item, at = read_inner(view, at)
            items.append(item)
        return tuple(items), at

    return write, read


def _record(kind: Any) -> _Codec:  # noqa: ANN401  # a dataclass
    hints = get_type_hints(kind)
    codecs = [(field.name, *_codec(hints[field.name])) for field in fields(kind)]

    def write(value: object, out: list[bytes]) -> None:
        for name, write_field, _ in codecs:
            write_field(getattr(value, name), out)

    def read(view: memoryview, at: int) -> tuple[object, int]:
        values = []
        for _, _, read_field in codecs:
            value, at = read_field(view, at)
            values.append(value)
        return kind(*values), at

    return write, read
