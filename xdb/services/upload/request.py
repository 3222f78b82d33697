"""What an upload asks for, and what it says while it runs."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from xdb.core.slicing import DEFAULT_SLICE
from xdb.model.ids import NodeId, Nonce


class Stage(IntEnum):
    """True statements about an upload, each implying those before; numbers of owner.proto."""

    READY = 1
    SENDING = 2
    STORED = 3
    PUBLISHED = 4
    FINAL = 5


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """A file to store; `expiry` is chain time, `size` bytes when known.

    The same `upload` id again resumes. `rewindable`: the client can send the data again.
    """

    namespace: str
    name: str
    expiry: int
    upload: Nonce
    description: str = ""
    media_type: str = ""
    extra: tuple[tuple[str, str], ...] = ()
    size: int | None = None
    replace: bool = False
    wait: Stage = Stage.PUBLISHED
    slice_size: int = DEFAULT_SLICE
    rewindable: bool = False


@dataclass(frozen=True, slots=True)
class HolderProgress:
    """Sealed bytes that are durable at the holder of a slot."""

    slot: int
    node: NodeId
    size: int


@dataclass(frozen=True, slots=True)
class Progress:
    """Where an upload stands; `received` counts plaintext bytes."""

    stage: Stage
    received: int = 0
    holders: tuple[HolderProgress, ...] = ()
    note: str = ""


Report = Callable[[Progress], None]
"""Takes what there is to tell, at once."""
