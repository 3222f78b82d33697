"""What a value must look like before any rule looks at it."""

import re
from dataclasses import fields, is_dataclass

from xdb.errors import RefusedCallError
from xdb.model.refusal import Refusal
from xdb.model.registry import Coding, Endpoint, Parameters, Redundancy

LARGEST = 2**63 - 1
"""Of every integer, so that sums of two fit 64 bits on every chain."""

_ADDRESS = re.compile(
    r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?):(\d{1,5})", re.ASCII
)
_HIGHEST_PORT = 65535
# Controls, line separators, invisible and direction-changing characters, surrogates. Written
# out because tables of character classes differ between versions of the interpreter, and all
# nodes must decide alike.
_UNSEEN = re.compile(
    "[\u0000-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def refuse(refusal: Refusal, reason: str) -> RefusedCallError:
    """The error to raise; `reason` names the object and what to do."""
    return RefusedCallError(refusal, reason)


def check_numbers(value: object) -> None:
    """Refuses integers outside 0..`LARGEST` anywhere in a call."""
    if isinstance(value, int):
        if not 0 <= value <= LARGEST:
            raise refuse(
                Refusal.INVALID, f"{value} is not between 0 and {LARGEST}: correct the number"
            )
    elif isinstance(value, tuple):
        for item in value:
            check_numbers(item)
    elif is_dataclass(value):
        for field in fields(value):
            check_numbers(getattr(value, field.name))


def check_count(count: int, least: int, most: int, what: str) -> None:
    """Refuses lists that are too short or too long."""
    if count > most:
        raise refuse(
            Refusal.TOO_LARGE, f"{count} {what}, {most} are the most in one call: send several"
        )
    if count < least:
        raise refuse(Refusal.INVALID, f"{count} {what}, {least} are the least: name them")


def check_label(parameters: Parameters, label: bytes) -> None:
    """Refuses long labels."""
    if len(label) > parameters.max_label:
        raise refuse(
            Refusal.TOO_LARGE,
            f"a label of {len(label)} bytes, {parameters.max_label} are the most: "
            "shorten name or description",
        )


def check_text(parameters: Parameters, text: str, what: str) -> None:
    """Refuses long texts and characters that cannot be seen. Empty is fine."""
    if _UNSEEN.search(text):
        raise refuse(
            Refusal.INVALID, f"{what} holds control or invisible characters: take them out"
        )
    if len(text.encode()) > parameters.max_text:
        raise refuse(
            Refusal.TOO_LARGE,
            f"{what} of {len(text.encode())} bytes, {parameters.max_text} are the most: shorten it",
        )


def check_endpoint(parameters: Parameters, endpoint: Endpoint) -> None:
    """Refuses addresses that are not host:port, [v6]:port or number:port."""
    check_text(parameters, endpoint.address, "the address")
    match = _ADDRESS.fullmatch(endpoint.address)
    if match is None or not 0 < int(match[3]) <= _HIGHEST_PORT or match[3].startswith("0"):
        raise refuse(
            Refusal.INVALID,
            f"address {endpoint.address!r} is not host:port with a port of 1 to {_HIGHEST_PORT}: "
            "advertise the address that others reach the node at",
        )


def check_redundancy(parameters: Parameters, redundancy: Redundancy) -> None:
    """Refuses policies that make no sense or need more slots than allowed."""
    required, total = redundancy.required, redundancy.total
    if total > parameters.max_slots:
        raise refuse(
            Refusal.POLICY,
            f"{total} slots, {parameters.max_slots} are the most: choose a lower redundancy",
        )
    match redundancy.coding:
        case Coding.COPIES:
            if required != 1 or total < 1:
                raise refuse(
                    Refusal.POLICY,
                    f"{total} copies of which {required} are required: "
                    "one or more copies, of which 1 is required",
                )
        case Coding.ERASURE:
            if not 2 <= required < total:  # noqa: PLR2004  # one piece would be a copy
                raise refuse(
                    Refusal.POLICY,
                    f"{required} of {total} pieces required: take 2 or more, and fewer than all",
                )
