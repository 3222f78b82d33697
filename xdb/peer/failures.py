"""Errors that cross the wire: an XdbError goes in, the same class comes out.

The server puts an `ErrorDetail` beside the status; the caller restores the error from
it. Without one the status came from the transport, and the table below says what it
means.
"""

import unicodedata

import grpc
from google.protobuf.message import DecodeError

from xdb import errors
from xdb.errors import (
    AuthError,
    InvalidRequestError,
    MissingPiecesError,
    NotFoundError,
    OverloadedError,
    RefusedCallError,
    RejectedError,
    TimeoutExpiredError,
    UnavailableError,
    XdbError,
)
from xdb.pb import auth_pb2

METADATA = "xdb-error-bin"
LONGEST_MESSAGE = 1000
"""Characters of a message; a peer's longer one is cut."""
MOST_PIECES = 200

_PIECES = "pieces"
_TOO_LARGE = "larger than max"  # grpc's words on both sides

KINDS: dict[str, type[XdbError]] = {
    name: value
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, XdbError)
}

_STATUS: dict[grpc.StatusCode, type[XdbError]] = {
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: TimeoutExpiredError,
    grpc.StatusCode.CANCELLED: UnavailableError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: OverloadedError,
    grpc.StatusCode.UNAUTHENTICATED: AuthError,
    grpc.StatusCode.PERMISSION_DENIED: AuthError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequestError,
    grpc.StatusCode.UNIMPLEMENTED: RejectedError,
}


def describe(error: XdbError, now: float) -> auth_pb2.ErrorDetail:
    """What the other side needs to raise the same error; `now` is this server's clock."""
    kind = next(cls.__name__ for cls in type(error).__mro__ if cls.__name__ in KINDS)
    detail = auth_pb2.ErrorDetail(kind=kind, server_time=int(now))
    if isinstance(error, RefusedCallError):
        detail.refusal = error.refusal
    if isinstance(error, MissingPiecesError):
        detail.fields[_PIECES] = ",".join(map(str, error.pieces[:MOST_PIECES]))
    return detail


def restore(error: grpc.aio.AioRpcError, whom: str = "", *, terse: bool = False) -> XdbError:
    """The error that a call ended with; `whom` says who answered, for the message.

    `terse` leaves that out of what the other side itself said.
    """
    text = cut(error.details() or error.code().name.lower().replace("_", " "))
    detail = _detail(error)
    if whom and not (terse and detail is not None):
        text = f"{whom}: {text}"
    if detail is None:
        return _transport_kind(error)(text)
    kind = KINDS.get(detail.kind, RejectedError)
    if kind is RefusedCallError:
        return RefusedCallError(detail.refusal, text)
    if kind is MissingPiecesError:
        return MissingPiecesError(_pieces(detail.fields.get(_PIECES, "")), text)
    return kind(text)


def is_lost(error: grpc.aio.AioRpcError) -> bool:
    """Whether the connection failed, rather than the other side answered."""
    return error.code() is grpc.StatusCode.UNAVAILABLE and _detail(error) is None


def cut(text: str) -> str:
    """A message of bounded length without control characters, fit for any terminal."""
    if len(text) > LONGEST_MESSAGE:
        text = text[: LONGEST_MESSAGE - 3] + "..."
    return "".join(" " if unicodedata.category(c).startswith("C") else c for c in text)


def _detail(error: grpc.aio.AioRpcError) -> auth_pb2.ErrorDetail | None:
    for key, value in error.trailing_metadata() or ():
        if key == METADATA and isinstance(value, bytes):
            try:
                return auth_pb2.ErrorDetail.FromString(value)
            except DecodeError:
                return None
    return None


def _transport_kind(error: grpc.aio.AioRpcError) -> type[XdbError]:
    if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE in (error.details() or ""):
        return InvalidRequestError
    return _STATUS.get(error.code(), UnavailableError)


def _pieces(text: str) -> tuple[int, ...]:
    numbers = text.split(",", MOST_PIECES)[:MOST_PIECES]
    return tuple(
        int(n) for n in numbers if n.isascii() and n.isdigit() and len(n) <= len("4294967295")
    )
