"""What an exit code says; docs/cli.md has the same table."""

from enum import IntEnum

from xdb.errors import (
    AuthError,
    ConfigError,
    CorruptFileError,
    ExpiredError,
    IntegrityError,
    InvalidRequestError,
    NotFoundError,
    PlacementError,
    RefusedCallError,
    RejectedError,
    UnavailableError,
    XdbError,
)
from xdb.model.refusal import Refusal


class Exit(IntEnum):
    """Exit codes."""

    OK = 0
    BUG = 1
    USAGE = 2
    NOT_FOUND = 3
    REFUSED = 4
    AUTH = 5
    UNAVAILABLE = 6
    INTEGRITY = 7
    PLACEMENT = 8
    CONFIG = 9
    EXPIRED = 10
    PARTLY = 11
    ALARM = 12
    INTERRUPTED = 130
    BROKEN_PIPE = 141


MEANING: dict[Exit, str] = {
    Exit.OK: "done",
    Exit.BUG: "a mistake in xdb itself; --debug shows where",
    Exit.USAGE: "the command line, or a name, id, range or time in it, is malformed",
    Exit.NOT_FOUND: "no such file, namespace or node",
    Exit.REFUSED: "refused for good: the name is taken, the target exists, the chain says no",
    Exit.AUTH: "wrong key, not on the owner's list, wrong certificate, or the clock is off",
    Exit.UNAVAILABLE: "something does not answer, is busy or full; trying again may help",
    Exit.INTEGRITY: "bytes are not what the chain says they are",
    Exit.PLACEMENT: "not enough usable storage nodes",
    Exit.CONFIG: "context, keystore, password, or a file or port of this machine",
    Exit.EXPIRED: "the file has expired or was deleted; renew or undelete it",
    Exit.PARTLY: "some of several were done, some failed",
    Exit.ALARM: "health --check: it is red or lost",
    Exit.INTERRUPTED: "interrupted (Ctrl-C)",
    Exit.BROKEN_PIPE: "nobody reads the output any more",
}

CODES: dict[type[XdbError], Exit] = {
    CorruptFileError: Exit.CONFIG,
    InvalidRequestError: Exit.USAGE,
    RejectedError: Exit.REFUSED,
    UnavailableError: Exit.UNAVAILABLE,
    NotFoundError: Exit.NOT_FOUND,
    ExpiredError: Exit.EXPIRED,
    IntegrityError: Exit.INTEGRITY,
    PlacementError: Exit.PLACEMENT,
    ConfigError: Exit.CONFIG,
    AuthError: Exit.AUTH,
    XdbError: Exit.REFUSED,
}
"""The code of an error is that of its nearest class here."""

_UNKNOWN = {Refusal.NODE_UNKNOWN, Refusal.NAMESPACE_UNKNOWN, Refusal.FILE_UNKNOWN}


def exit_of(error: XdbError) -> Exit:
    """The exit code that says best what happened."""
    if isinstance(error, RefusedCallError):
        if error.refusal in _UNKNOWN:
            return Exit.NOT_FOUND
        if error.refusal == Refusal.NOT_ALLOWED:
            return Exit.AUTH
    return next(CODES[kind] for kind in type(error).__mro__ if kind in CODES)
