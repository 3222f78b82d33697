"""Reports of tasks as people read them."""

from collections.abc import Collection, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum

NOTHING = "nothing to do"
SHOWN = 3
"""Items of a list that are shown; of the others there is only the number."""
NOTE = "note"
"""A field that says all by itself."""
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
    said = []
    for name, value in named:
        text = _value(value) if value else ""
        if value is True:  # needs no value beside its name
            said.append(name)
        elif text:
            said.append(text if name == NOTE else f"{name} {text}")
    return ", ".join(said)


def _value(value: object) -> str:
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, bytes):
        return value.hex()
    if is_dataclass(value):
        return _in_brackets(_record(value))
    if isinstance(value, Mapping):
        return _in_brackets(_pairs([(_value(key), each) for key, each in value.items()]))
    if isinstance(value, Collection) and not isinstance(value, str):
        return _items([_value(item) for item in value])
    return f"{value:g}" if isinstance(value, float) else "" if value is None else str(value)


def _in_brackets(text: str) -> str:
    return f"({text})" if text else ""


def _items(items: list[str]) -> str:
    more = len(items) - SHOWN
    shown = "; ".join(items[:SHOWN])
    return f"{len(items)} ({shown}{f'; {more} more' if more > 0 else ''})" if items else ""
