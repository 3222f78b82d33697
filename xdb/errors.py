"""The error tree.

::

    XdbError
    ├── UnavailableError      retry may help
    │   ├── TimeoutExpiredError
    │   ├── OverloadedError   over a limit for now
    │   ├── SendAgainError    an upload needs its data again, under the same upload id
    │   └── StorageFullError  no room, or not for this caller
    ├── NotFoundError
    ├── ExpiredError          exists, but is past its expiry or deleted
    ├── IntegrityError        bytes are not what was promised
    │   └── CorruptFileError  a file of our own is damaged
    ├── RejectedError         chain or peer refused; trying again changes nothing
    │   ├── RefusedCallError  the registry refused, with its code
    │   ├── ConflictError     something of that name or id is there already
    │   │   └── SourceChangedError  begin the upload anew, under another upload id
    │   ├── MissingPiecesError  a slot is not complete; these pieces must come first
    │   └── InvalidRequestError
    ├── PlacementError        not enough usable nodes
    ├── ConfigError           configuration, files or ports of this machine
    └── AuthError             who are you, or may you

A message says what happened, to what, and what to do next. `ValueError` and
`TypeError` mean a bug.
"""

from dataclasses import dataclass


class XdbError(Exception):
    """Everything that can go wrong in ordinary operation."""


class UnavailableError(XdbError):
    """Somebody did not answer or cannot now; retry may help."""


class TimeoutExpiredError(UnavailableError):
    """No answer within the deadline; whether it took effect is unknown."""


class OverloadedError(UnavailableError):
    """A limit on rate or concurrency was reached."""


class SendAgainError(UnavailableError):
    """An upload goes on when its data is sent again from the start, under the same upload id."""


class StorageFullError(UnavailableError):
    """The store, its reserve or the caller's quota leaves no room."""


class NotFoundError(XdbError):
    """No such thing."""


class ExpiredError(XdbError):
    """The file exists in retention only."""


class IntegrityError(XdbError):
    """Bytes differ from what their digest, root or signature promised."""


class CorruptFileError(IntegrityError):
    """A file of this process's own is damaged, or its password is wrong."""


class RejectedError(XdbError):
    """The other side refused for good."""


@dataclass
class RefusedCallError(RejectedError):
    """The registry refused a call; `refusal` is a number of `model.refusal.Refusal`."""

    refusal: int
    reason: str

    def __str__(self) -> str:
        """The registry's sentence."""
        return self.reason


class ConflictError(RejectedError):
    """Something of that name or id is there already."""


class SourceChangedError(ConflictError):
    """What is sent now is not what was sent before: only a new upload id takes it."""


@dataclass
class MissingPiecesError(RejectedError):
    """A slot is not complete: `pieces` are numbers of slices, the first of what is missing."""

    pieces: tuple[int, ...]
    reason: str

    def __str__(self) -> str:
        """What is missing, and what to do."""
        return self.reason


class InvalidRequestError(RejectedError):
    """Malformed ids, names, ranges or messages."""


class PlacementError(XdbError):
    """Fewer usable nodes than the policy needs."""


class ConfigError(XdbError):
    """This machine's configuration, files or ports."""


class AuthError(XdbError):
    """The caller is unknown, not allowed, stale or replayed."""
