"""Messages that consist of one bytes field, without the copies a protobuf library makes.

A chunk of data crosses three buffers on its way through a parser, each the size of the
chunk; here it crosses one. Anything of another shape is left to the parser.
"""

from xdb.model.buffer import Buffer

CHUNK = 1 << 20
"""Data bytes in one message, at most."""

_BYTES = 2  # wire type
_MORE, _SEVEN = 0x80, 0x7F
_LONGEST = 5  # bytes of a length below 4 GiB


def frame(field: int, data: Buffer) -> bytes:
    """The message that has `data` in the bytes field number `field` (1 to 15) and nothing else."""
    prefix = bytearray((field << 3 | _BYTES,))
    rest = len(data)
    while rest >= _MORE:
        prefix.append(rest & _SEVEN | _MORE)
        rest >>= 7
    prefix.append(rest)
    return b"".join((prefix, data))


def unframe(field: int, message: bytes) -> memoryview | None:
    """The data in `message` when it is exactly `frame(field, data)`, else None."""
    if not message or message[0] != field << 3 | _BYTES:
        return None
    length = 0
    for place, byte in enumerate(message[1 : 1 + _LONGEST]):
        length |= (byte & _SEVEN) << 7 * place
        if byte < _MORE:
            data = memoryview(message)[2 + place :]
            return data if len(data) == length else None
    return None
