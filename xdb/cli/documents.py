"""What --json prints: ids in hexadecimal, times ISO 8601 in UTC, sizes in bytes.

Keys are those of the client library's records. docs/cli.md describes them; they change
only with a new major version.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any

from xdb.errors import XdbError

Document = dict[str, object]

_WRITERS: tuple[tuple[type, Callable[[Any], object]], ...] = (
    (IntEnum, lambda member: member.name.lower()),
    (Enum, lambda member: member.value),
    (bytes, bytes.hex),
    (datetime, lambda time: time.strftime("%Y-%m-%dT%H:%M:%SZ")),
    (Path, str),
    (XdbError, lambda error: {"kind": type(error).__name__, "message": str(error)}),
)


def document(record: object) -> Document:
    """A record as JSON has it."""
    if not is_dataclass(record):
        raise TypeError(f"{type(record).__name__} is no record")
    return {field.name: plain(getattr(record, field.name)) for field in fields(record)}


def plain(value: object) -> object:
    """A value as JSON has it."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    return (
        document(value) if is_dataclass(value) and not isinstance(value, XdbError) else _one(value)
    )


def _one(value: object) -> object:
    return next((write(value) for kind, write in _WRITERS if isinstance(value, kind)), value)
