"""JSON-RPC's hexadecimal texts; what an endpoint sends and is none is IntegrityError."""

from collections.abc import Mapping
from typing import Any

from xdb.errors import IntegrityError


def quantity(number: int) -> str:
    """A number as JSON-RPC writes it."""
    return hex(number)


def data(octets: bytes) -> str:
    """Bytes as JSON-RPC writes them."""
    return "0x" + octets.hex()


def number_of(text: object, what: str) -> int:
    """A quantity."""
    if not isinstance(text, str) or not text.startswith("0x"):
        raise IntegrityError(f"{what} is {text!r}: no number; use another endpoint")
    try:
        return int(text, 16)
    except ValueError as error:
        raise IntegrityError(f"{what} is {text!r}: no number; use another endpoint") from error


def octets_of(text: object, what: str, width: int | None = None) -> bytes:
    """Bytes, `width` of them when that is fixed."""
    try:
        found = bytes.fromhex(text[2:]) if isinstance(text, str) and text[:2] == "0x" else None
    except ValueError:
        found = None
    if found is None or (width is not None and len(found) != width):
        raise IntegrityError(f"{what} is {text!r:.80}: not such bytes; use another endpoint")
    return found


def field(table: object, name: str) -> Any:  # noqa: ANN401  # whatever JSON holds
    """A field of an object that an endpoint sent."""
    if not isinstance(table, Mapping) or name not in table:
        raise IntegrityError(f"an answer has no {name}: use another endpoint")
    return table[name]
