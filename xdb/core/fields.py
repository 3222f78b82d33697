"""A look at a protobuf message before it is parsed.

A parser makes an object of every submessage, even of an empty one of two bytes, so a
large message of small parts takes many times its size in memory. Counting takes none.
"""

_VARINT, _BYTES = 0, 2
_FIXED = {1: 8, 5: 4}  # bytes by wire type
_LONGEST_VARINT = 10


def check_field_count(data: bytes, most: int) -> None:
    """ValueError when there are more than `most` fields at the top, or no well-formed ones."""
    at = 0
    for _ in range(most):
        if at == len(data):
            return
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == _VARINT:
            _, at = _varint(data, at)
        elif wire == _BYTES:
            length, at = _varint(data, at)
            at += length
        elif wire in _FIXED:
            at += _FIXED[wire]
        else:
            raise ValueError(f"a field of wire type {wire}")
        if at > len(data):
            raise ValueError("data ends too early")
    if at < len(data):
        raise ValueError(f"more than {most} fields")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place, byte in enumerate(data[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:  # noqa: PLR2004  # the top bit says that more follows
            return value, at + place + 1
    raise ValueError("data ends too early")
