"""Fields of requests, checked where they come in."""

from typing import TypeVar

from google.protobuf.message import Message

from xdb.core.wire import to_record
from xdb.errors import InvalidRequestError
from xdb.model.ids import WIDTHS, Address, NodeId

R = TypeVar("R")


def fixed(data: bytes, kind: object, field: str) -> bytes:
    """An identifier of the width that `kind` has."""
    width = WIDTHS[kind]
    if len(data) != width:
        raise InvalidRequestError(
            f"{field} has {len(data)} bytes, {width} belong there: correct it"
        )
    return data


def node_id(data: bytes) -> NodeId:
    """A node's id."""
    return NodeId(Address(fixed(data, NodeId, "node")))


def record_of(message: Message, kind: type[R]) -> R:
    """The record a message stands for."""
    try:
        return to_record(message, kind)
    except ValueError as error:
        raise InvalidRequestError(f"{error}: correct it") from error
