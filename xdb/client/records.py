"""What the client library answers. Ids are bytes, times aware UTC, sizes bytes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from xdb.model.ids import Address, ChainId, Deployment, Digest, FileId, NodeId, Tag
from xdb.model.registry import NodeState, Redundancy


class Stage(IntEnum):
    """True statements about an upload, each implying those before."""

    READY = 1  # the owner takes data
    SENDING = 2
    STORED = 3  # every replica durable, receipts in hand
    PUBLISHED = 4  # the record is on the chain
    FINAL = 5  # the record is there for good


class FileStatus(IntEnum):
    """Where a file stands in its life."""

    LIVE = 1
    EXPIRED = 2  # in retention: renew brings it back
    DELETED = 3  # in retention: undelete brings it back
    GONE = 4


class Health(IntEnum):
    """Colours inform; LOST means that fewer slots can be read than are needed."""

    GREEN = 1
    YELLOW = 2
    RED = 3
    LOST = 4


@dataclass(frozen=True, slots=True)
class SlotInfo:
    """One slot of a file, and the node that has it."""

    slot: int
    node: NodeId
    address: str
    state: NodeState | None  # None: the node is not registered any more


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A file. What comes after `health` is there only after an upload and in `info`."""

    file: FileId
    namespace: str
    name: str
    description: str
    size: int
    published: datetime | None
    expiry: datetime
    deleted: datetime | None
    gone: datetime | None  # when retention ends
    status: FileStatus
    redundancy: Redundancy
    slots: tuple[SlotInfo, ...]
    root: Digest
    version: int
    health: Health | None
    media_type: str = ""
    extra: Mapping[str, str] | None = None
    digest: Digest | None = None  # SHA-256 of the content
    slices: int = 0
    slice_size: int = 0

    @property
    def ref(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class HolderProgress:
    """Sealed bytes that are durable at the holder of a slot."""

    slot: int
    node: NodeId
    size: int


@dataclass(frozen=True, slots=True)
class UploadProgress:
    """Where an upload stands. `received` counts the bytes that the owner node has taken."""

    stage: Stage
    received: int
    total: int | None  # bytes of the source, when known
    upload_id: bytes  # with which an interrupted upload goes on
    holders: tuple[HolderProgress, ...] = ()
    note: str = ""  # such as: slot 2 moved to another node, and why


@dataclass(frozen=True, slots=True)
class DownloadProgress:
    """Where a download stands; `total` counts the bytes asked for, `done` those that are here."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What a download brought: `length` bytes from `offset` on."""

    file: FileInfo
    offset: int
    length: int
    resumed: int = 0  # bytes that an earlier attempt had left


@dataclass(frozen=True, slots=True)
class FilePage:
    """Some files; `next` is where to go on, None at the end."""

    files: tuple[FileInfo, ...]
    next: bytes | None


@dataclass(frozen=True, slots=True)
class ReplicaCheck:
    """One replica read back and compared with the manifest."""

    slot: int
    node: NodeId
    piece: int
    good: bool
    problem: str
    checked: int  # replicas so far
    total: int


@dataclass(frozen=True, slots=True)
class NamespaceUsage:
    """What a namespace takes."""

    namespace: str
    files: int
    size: int
    stored: int  # over all holders
    expired: int  # files in retention


@dataclass(frozen=True, slots=True)
class NamespaceInfo:
    """A namespace and its policy. `colours` counts live files by health."""

    namespace: Tag
    name: str
    description: str
    redundancy: Redundancy
    created: datetime | None
    files: int
    expired: int
    size: int
    colours: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """A storage node. `reachable` and what comes after it is known from `node` only."""

    node: NodeId
    signer: Address
    address: str
    operator: str
    zone: str
    state: NodeState
    capacity: int
    registered: datetime | None
    last_heartbeat: datetime | None
    holdings: int
    stored: int
    health: Health | None
    reachable: bool | None = None
    problem: str = ""
    free: int | None = None


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """A periodic task of a daemon. `failures` are those in a row up to now.

    `degraded` says that the last run ended in a bug, `server` at which chain server it
    runs if it is one of those.
    """

    name: str
    every: int  # seconds
    runs: int
    failures: int
    last_run: datetime | None
    next_run: datetime | None
    last_report: str
    last_error: str
    degraded: bool
    server: str = ""


@dataclass(frozen=True, slots=True)
class TaskListing:
    """Tasks; `problems` are those of chain servers that did not answer."""

    tasks: tuple[TaskInfo, ...]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OwnerStatus:
    """The owner node and what it sees of the chain."""

    owner: Address
    deployment: Deployment
    height: int
    chain_time: datetime
    version: str
    retention: int  # seconds
    slice_size: int
    open_uploads: int

    @property
    def chain(self) -> ChainId:
        """The chain's id."""
        return self.deployment.chain
