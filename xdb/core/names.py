"""What people type: names of files and namespaces, ids in hexadecimal."""

import re
import unicodedata

from xdb.errors import InvalidRequestError

MAX_NAME = 255
"""Bytes of a name in UTF-8."""

_FORBIDDEN = frozenset(("Cc", "Cs", "Zl", "Zp"))  # control, half a character, line breaks
_HEX = re.compile(r"[0-9a-fA-F]*")


def check_name(text: str) -> str:
    """The name of a file as it is kept: `text` in Unicode's composed form (NFC).

    '/' may stand between parts. Names never become paths by themselves; these rules keep
    them harmless for a program that makes paths of them. InvalidRequestError otherwise.
    """
    text = _composed(text, "file name")
    for part in text.split("/"):
        if part in ("", ".", ".."):
            raise InvalidRequestError(
                f"file name {text!r} has a part {part!r}: leave out leading, trailing and double "
                "slashes, '.' and '..'"
            )
    return text


def check_namespace_name(text: str) -> str:
    """The name of a namespace as it is kept; like a file's, but without '/'."""
    text = _composed(text, "namespace name")
    if "/" in text or text in (".", ".."):
        raise InvalidRequestError(f"namespace name {text!r} must not contain '/' or be '.' or '..'")
    return text


def parse_hex(text: str, width: int, what: str) -> bytes:
    """The `width` bytes written in hexadecimal, with or without 0x in front.

    InvalidRequestError says what is wrong with `what`, e.g. "file id".
    """
    digits = text.removeprefix("0x")
    if not _HEX.fullmatch(digits) or len(digits) != 2 * width:
        raise InvalidRequestError(
            f"{_short(text)} is no {what}: it takes {2 * width} hexadecimal digits"
        )
    return bytes.fromhex(digits)


def _composed(text: str, what: str) -> str:
    if not text:
        raise InvalidRequestError(f"the {what} is empty: give one of 1 to {MAX_NAME} bytes")
    if any(unicodedata.category(character) in _FORBIDDEN for character in text):
        raise InvalidRequestError(f"{what} {_short(text)} contains control characters: remove them")
    # Composed, whichever way it was typed: what looks the same must be the same name.
    text = unicodedata.normalize("NFC", text)
    size = len(text.encode())
    if size > MAX_NAME:
        raise InvalidRequestError(
            f"{what} {_short(text)} has {size} bytes in UTF-8: shorten it to {MAX_NAME}"
        )
    return text


def _short(text: str) -> str:
    longest = 80
    return repr(text if len(text) <= longest else text[:longest] + "...")
