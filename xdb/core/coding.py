"""From a slice to the pieces of its slots, and back.

Copies: every slot has the whole slice. Erasure: Reed-Solomon over GF(2^8) with a Cauchy
matrix, as in ISA-L: piece j of the first `required` is the j-th part of the slice, padded
with fewer than `required` zero bytes; the others are sums. A piece of slot j does not
depend on `total`, so slots can be added later.
"""

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from xdb.errors import ConfigError, IntegrityError
from xdb.model.buffer import Buffer
from xdb.model.registry import Coding, Redundancy

MAX_SLOTS = 255
"""Rows of the matrix that one byte can number, and the most slots of any file."""

_HEADER = 80
"""Bytes that the coder writes before each of its fragments. They are not stored."""


def piece_length(redundancy: Redundancy, length: int) -> int:
    """Bytes of each piece of a slice of `length` bytes."""
    if redundancy.coding is Coding.COPIES:
        return length
    return -(-length // redundancy.required)


def pieces(redundancy: Redundancy, data: Buffer) -> Sequence[Buffer]:
    """The pieces of slots 1, 2, ...; where possible they are views of `data`, not copies."""
    if redundancy.coding is Coding.COPIES:
        return [data] * redundancy.total
    required, length = redundancy.required, piece_length(redundancy, len(data))
    fragments = _coder(required, redundancy.total).encode(bytes(data))
    view = memoryview(data)
    full = len(view) // length  # parts that need no padding
    parts = [view[start : start + length] for start in range(0, full * length, length)]
    return parts + [memoryview(fragment)[_HEADER:] for fragment in fragments[full:]]


def restore(redundancy: Redundancy, found: Mapping[int, Buffer], length: int) -> bytes:
    """The slice of `length` bytes from `required` or more pieces by slot.

    Nothing tells a wrong piece from a right one here: check the slice's digest.
    """
    size = piece_length(redundancy, length)
    slots = sorted(found)[: redundancy.required]  # parts of the slice before sums: less to compute
    if len(slots) < redundancy.required:
        raise ValueError(f"{len(slots)} pieces where {redundancy.required} are required")
    for slot in slots:
        check_slot(redundancy, slot)
        if len(found[slot]) != size:
            raise IntegrityError(
                f"the piece of slot {slot} has {len(found[slot])} bytes instead of {size}; "
                "take another slot's"
            )
    if redundancy.coding is Coding.COPIES:
        return bytes(found[slots[0]])
    if slots[-1] == redundancy.required:
        return b"".join(found[slot] for slot in slots)[:length]
    headers = _headers(redundancy.required, redundancy.total, length)
    fragments = [headers[slot - 1] + bytes(found[slot]) for slot in slots]
    restored: bytes = _coder(redundancy.required, redundancy.total).decode(fragments)
    return restored


def check_slot(redundancy: Redundancy, slot: int) -> None:
    """ValueError for a slot that such a file does not have."""
    if not 1 <= slot <= redundancy.total:
        raise ValueError(f"slot {slot} of a file of {redundancy.total} slots")


@lru_cache(maxsize=16)
def _headers(required: int, total: int, length: int) -> tuple[bytes, ...]:
    # They depend on nothing but index and length (and the coder's version, hence made anew).
    fragments = _coder(required, total).encode(bytes(length))
    return tuple(fragment[:_HEADER] for fragment in fragments)


@cache
def _coder(required: int, total: int) -> Any:  # noqa: ANN401  # untyped library
    # Imported late: it is slow to load, and copies never need it.
    try:
        from pyeclib.ec_iface import ECDriver, ECDriverError  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError("erasure coding needs pyeclib: install it or use copies") from error
    try:
        return ECDriver(k=required, m=total - required, ec_type="isa_l_rs_cauchy")
    except ECDriverError as error:
        raise ConfigError(
            f"erasure coding {required} of {total} does not work here ({error}): "
            "install pyeclib with ISA-L or use copies"
        ) from error
