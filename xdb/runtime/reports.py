"""Reports of tasks as people read them."""

from collections.abc import Collection, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum

NOTHING = "nothing to do"
SHOWN = 3
"""Items of a list that are shown; of the others there is only the number."""
LONGEST = 2000
"""Characters of a report."""


def report_text(report: object) -> str:
    """What a report says, as `field value, field value`; zeros and empty fields say nothing."""
    text = _record(report) if is_dataclass(report) else _value(report)
    return (text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…") or NOTHING


def _record(record: object) -> str:
    named = [
        (field.name.replace("_", " "), getattr(record, field.name))
        for field in fields(record)  # type: ignore[arg-type]  # an instance
    ]
    return _pairs(named)


def _pairs(named: Collection[tuple[str, object]]) -> str:
    # True needs no value beside its name
    said = [(name, "" if value is True else _value(value)) for name, value in named if value]
    return ", ".join(f"{name} {text}".rstrip() for name, text in said)


def _value(value: object) -> str:
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, bytes):
        return value.hex()
    if is_dataclass(value):
        return f"({_record(value)})"
    if isinstance(value, Mapping):
        return f"({_pairs([(_value(key), each) for key, each in value.items()])})"
    if isinstance(value, Collection) and not isinstance(value, str):
        return _items([_value(item) for item in value])
    return f"{value:g}" if isinstance(value, float) else "" if value is None else str(value)


def _items(items: list[str]) -> str:
    more = len(items) - SHOWN
    shown = "; ".join(items[:SHOWN])
    return f"{len(items)} ({shown}{f'; {more} more' if more > 0 else ''})" if items else ""
