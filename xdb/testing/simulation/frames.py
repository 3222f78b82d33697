"""What travels between the two ends of a simulated call."""

from dataclasses import dataclass

import grpc

Metadata = tuple[tuple[str, str | bytes], ...]

_HEADER = 9  # bytes before every frame of HTTP/2


@dataclass(frozen=True, slots=True)
class Request:
    """A call begins. With `whole` its only message is here, too, and no more follow."""

    method: str
    metadata: Metadata
    timeout: float | None
    message: bytes | None
    whole: bool

    @property
    def size(self) -> int:
        """Bytes on the line."""
        return _HEADER + len(self.method) + _size(self.metadata) + len(self.message or b"")


@dataclass(frozen=True, slots=True)
class Data:
    """One message."""

    message: bytes

    @property
    def size(self) -> int:
        """Bytes on the line."""
        return _HEADER + len(self.message)


@dataclass(frozen=True, slots=True)
class End:
    """No more messages of the caller."""

    size: int = _HEADER


@dataclass(frozen=True, slots=True)
class Initial:
    """Metadata before the first message of the server."""

    metadata: Metadata

    @property
    def size(self) -> int:
        """Bytes on the line."""
        return _HEADER + _size(self.metadata)


@dataclass(frozen=True, slots=True)
class Status:
    """The server ends the call, with the only message of a call that has one."""

    code: grpc.StatusCode
    details: str = ""
    metadata: Metadata = ()
    message: bytes | None = None

    @property
    def size(self) -> int:
        """Bytes on the line."""
        return _HEADER + len(self.details) + _size(self.metadata) + len(self.message or b"")


@dataclass(frozen=True, slots=True)
class Gone:
    """The sender has left: the caller gave up, or the server died."""

    size: int = _HEADER


Frame = Request | Data | End | Initial | Status | Gone


def _size(metadata: Metadata) -> int:
    return sum(len(key) + len(value) for key, value in metadata)
