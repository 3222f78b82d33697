"""Errors of ours as gRPC statuses."""

from typing import Any, NoReturn

import grpc
import structlog

from xdb.errors import (
    AuthError,
    ConflictError,
    ExpiredError,
    IntegrityError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    StorageFullError,
    TimeoutExpiredError,
    UnavailableError,
    XdbError,
)
from xdb.peer.failures import METADATA, cut, describe
from xdb.ports.clock import Clock
from xdb.ports.entropy import Entropy

CODES: dict[type[XdbError], grpc.StatusCode] = {
    TimeoutExpiredError: grpc.StatusCode.DEADLINE_EXCEEDED,
    OverloadedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    StorageFullError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    UnavailableError: grpc.StatusCode.UNAVAILABLE,
    NotFoundError: grpc.StatusCode.NOT_FOUND,
    ExpiredError: grpc.StatusCode.NOT_FOUND,
    IntegrityError: grpc.StatusCode.DATA_LOSS,
    ConflictError: grpc.StatusCode.ALREADY_EXISTS,
    InvalidRequestError: grpc.StatusCode.INVALID_ARGUMENT,
    AuthError: grpc.StatusCode.PERMISSION_DENIED,
    XdbError: grpc.StatusCode.FAILED_PRECONDITION,
}
"""The status of an error is that of its nearest class here. `peer.failures` goes the other way."""

_log = structlog.get_logger()


def code_of(error: XdbError) -> grpc.StatusCode:
    """The status that says best what happened; callers of ours look at the `ErrorDetail`."""
    return next(CODES[kind] for kind in type(error).__mro__ if kind in CODES)


class Failures:
    """Ends calls that failed."""

    def __init__(self, clock: Clock, entropy: Entropy) -> None:
        self._clock = clock
        self._entropy = entropy

    async def refuse(
        self, context: "grpc.aio.ServicerContext[Any, Any]", error: XdbError
    ) -> NoReturn:
        """Tells the caller what happened."""
        detail = describe(error, self._clock.wall()).SerializeToString()
        await context.abort(code_of(error), cut(str(error)), ((METADATA, detail),))

    async def hide(
        self, context: "grpc.aio.ServicerContext[Any, Any]", method: str, error: Exception
    ) -> NoReturn:
        """Logs a mistake of this program; the caller learns where to find it, nothing else."""
        reference = self._entropy.draw(8).hex()
        _log.error("call.broken", method=method, reference=reference, exc_info=error)
        await context.abort(
            grpc.StatusCode.INTERNAL,
            f"the server made a mistake; its operator finds it in the log as {reference}",
        )
