"""Frozen records <-> protobuf messages of the same field names.

The classes of `model` and the messages of `proto/` are held together by name:
`RegisterNode` the record is `RegisterNode` the message. What comes from the
wire is checked for widths and ranges here, once.
"""

from collections.abc import Callable, Hashable
from dataclasses import fields, is_dataclass
from enum import IntEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from google.protobuf.message import DecodeError, Message

from xdb.model import calls, events
from xdb.model.calls import Call
from xdb.model.events import Event
from xdb.model.ids import WIDTHS
from xdb.pb import registry_pb2

M = TypeVar("M", bound=Message)
R = TypeVar("R")


class NotOfferedError(ValueError):
    """A call or event that the protocol knows and this version does not offer."""


def to_message(record: object, kind: type[M]) -> M:
    """The message that says what `record` says."""
    message = kind()
    _fill(record, message)
    return message


def to_record(message: Message, kind: type[R]) -> R:
    """The record that says what `message` says; ValueError names the field that is wrong."""
    values: dict[str, Any] = {}
    for name, convert, optional in _fields(cast("Hashable", kind)):
        if optional and not message.HasField(name):
            values[name] = None
            continue
        try:
            values[name] = convert(getattr(message, name))
        except ValueError as error:
            raise ValueError(f"{kind.__name__}.{name}: {error}") from error
    return kind(**values)


def parse(data: bytes, kind: type[M]) -> M:
    """The message in `data`; ValueError when there is none."""
    message = kind()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise ValueError(f"not a {kind.__name__}") from error
    return message


def write_call(call: Call) -> bytes:
    """A call's bytes as an envelope carries them."""
    return _write_choice(call, registry_pb2.Call())


def read_call(data: bytes) -> Call:
    """The call in an envelope; ValueError when malformed or unknown, or NotOfferedError."""
    call: Call = _read_choice(data, registry_pb2.Call, "call", calls)
    return call


def write_event(event: Event) -> bytes:
    """An event's bytes."""
    return _write_choice(event, registry_pb2.Event())


def read_event(data: bytes) -> Event:
    """The event in `data`; ValueError when malformed or unknown."""
    event: Event = _read_choice(data, registry_pb2.Event, "event", events)
    return event


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def _write_choice(record: object, message: Message) -> bytes:
    part = getattr(message, _snake(type(record).__name__))
    part.SetInParent()
    _fill(record, part)
    return message.SerializeToString(deterministic=True)


def _read_choice(data: bytes, kind: type[Message], choice: str, module: Any) -> Any:  # noqa: ANN401
    message = parse(data, kind)
    name = message.WhichOneof(choice)
    if name is None:
        raise ValueError(f"empty or unknown {kind.__name__}")
    part = getattr(message, name)
    record = getattr(module, part.DESCRIPTOR.name, None)
    if record is None:
        raise NotOfferedError(
            f"{part.DESCRIPTOR.name} is not offered here: use a version that has it"
        )
    return to_record(part, record)


def _fill(record: object, message: Message) -> None:
    for field in fields(record):  # type: ignore[arg-type]  # a dataclass instance
        value = getattr(record, field.name)
        if value is None:
            continue
        if isinstance(value, tuple):
            target = getattr(message, field.name)
            for item in value:
                if is_dataclass(item):
                    _fill(item, target.add())
                else:
                    target.append(item)
        elif is_dataclass(value):
            part = getattr(message, field.name)
            part.SetInParent()
            _fill(value, part)
        else:
            setattr(message, field.name, value)


_Convert = Callable[[Any], Any]


@cache
def _fields(kind: Any) -> tuple[tuple[str, _Convert, bool], ...]:  # noqa: ANN401  # a dataclass
    hints = get_type_hints(kind)
    found = []
    for field in fields(kind):
        hint = hints[field.name]
        optional = get_origin(hint) in (Union, UnionType)
        if optional:
            (hint,) = (a for a in get_args(hint) if a is not NoneType)
        found.append((field.name, _converter(hint), optional))
    return tuple(found)


def _converter(hint: Any) -> _Convert:  # noqa: ANN401  # any annotation can come here
    if hint in WIDTHS:
        return _fixed(WIDTHS[hint])
    if get_origin(hint) is tuple:
        item = _converter(get_args(hint)[0])
        return lambda values: tuple(item(value) for value in values)
    if isinstance(hint, type) and issubclass(hint, IntEnum):
        return hint
    if isinstance(hint, type) and is_dataclass(hint):
        return lambda part: to_record(part, hint)
    return lambda value: value


def _fixed(width: int) -> _Convert:
    def convert(value: bytes) -> bytes:
        if len(value) != width:
            raise ValueError(f"{len(value)} bytes where {width} belong")
        return value

    return convert
