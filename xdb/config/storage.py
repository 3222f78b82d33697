"""Configuration of role storage: keeps replicas for data owners."""

from dataclasses import dataclass, field
from pathlib import Path

from xdb.config.address import parse_identity
from xdb.config.sections import (
    ChainAccess,
    KeyConfig,
    KeyValueKind,
    LogConfig,
    ProcessConfig,
    ServerConfig,
    check_names,
)
from xdb.errors import ConfigError
from xdb.model.ids import Address
from xdb.model.units import Seconds, Size
from xdb.peer.config import PeerConfig
from xdb.rpc.limits import Limits
from xdb.tasks.scrubber import ScrubConfig

ANY = "any"


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """What a storage node's record says of it, beside its address."""

    id: str = ""  # when the key of the id is kept elsewhere
    operator: str = ""
    zone: str = ""

    def __post_init__(self) -> None:
        """The id must be readable."""
        _ = self.address

    @property
    def address(self) -> Address | None:
        """The id, when named."""
        return parse_identity(self.id) if self.id else None


@dataclass(frozen=True, slots=True)
class SpaceConfig:
    """How much a storage node stores, and for whom."""

    capacity: Size
    reserve: Size = 256 << 20  # of the file system, left free
    owners: tuple[str, ...] = ()  # identities, or "any"; empty: anybody, if only on loopback
    quota: Size = 0  # per owner; 0: the capacity
    in_flight: Size = 64 << 20  # bytes being checked and written at once
    waiting: int = 256  # replicas that may wait for that

    def __post_init__(self) -> None:
        """Owners must be readable, and there must be room for something."""
        if self.capacity == 0:
            raise ConfigError("capacity is 0: say how much to store, such as '100 GiB'")
        _ = self.allowed

    @property
    def allowed(self) -> frozenset[Address] | None:
        """The owners served, None for anybody. What an empty list means is decided elsewhere."""
        if ANY in self.owners:
            return None
        return frozenset(parse_identity(owner) for owner in self.owners)


STORAGE_TASKS = ("heartbeat", "prover", "scrubber", "collector", "seeds")


@dataclass(frozen=True, slots=True)
class TasksConfig:
    """How often the periodic tasks run.

    Heartbeats follow the chain's parameter, the scrubber has a section of its own.
    """

    collector: Seconds = 600.0
    off: tuple[str, ...] = ()  # tasks that run only by hand

    def __post_init__(self) -> None:
        """Only what exists can be switched off."""
        check_names(self.off, STORAGE_TASKS)


@dataclass(frozen=True, slots=True)
class StorageConfig:
    """Everything a storage node is told."""

    data: Path
    server: ServerConfig
    chain: ChainAccess
    signer: KeyConfig
    space: SpaceConfig
    identity: KeyConfig | None = None
    node: NodeConfig = field(default_factory=NodeConfig)
    kv: KeyValueKind = "auto"
    tasks: TasksConfig = field(default_factory=TasksConfig)
    scrub: ScrubConfig = field(default_factory=ScrubConfig)
    limits: Limits = field(default_factory=Limits)
    peers: PeerConfig = field(default_factory=PeerConfig)
    log: LogConfig = field(default_factory=LogConfig)
    process: ProcessConfig = field(default_factory=ProcessConfig)

    def __post_init__(self) -> None:
        """The node's id must be known, one way or the other."""
        if self.identity is None and not self.node.id:
            raise ConfigError("who is this node? add [identity] with its keystore, or node.id")
