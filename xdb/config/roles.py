"""The configuration of each role."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from xdb.config.address import parse_identity
from xdb.config.sections import (
    ChainAccess,
    KeyConfig,
    KeyValueKind,
    LogConfig,
    ProcessConfig,
    ServerConfig,
)
from xdb.errors import ConfigError
from xdb.model.ids import Address
from xdb.model.units import Size

ANY = "any"


@dataclass(frozen=True, slots=True)
class ChainConfig:
    """Role chain: the sequencer of an embedded chain."""

    data: Path
    genesis: Path
    server: ServerConfig
    sequencer: KeyConfig
    kv: KeyValueKind = "auto"
    log: LogConfig = field(default_factory=LogConfig)
    process: ProcessConfig = field(default_factory=ProcessConfig)


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
    staging: Size = 0  # for what no record covers yet; 0: the capacity

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


@dataclass(frozen=True, slots=True)
class StorageConfig:
    """Role storage: keeps replicas for owners."""

    data: Path
    server: ServerConfig
    chain: ChainAccess
    signer: KeyConfig
    space: SpaceConfig
    identity: KeyConfig | None = None
    node: NodeConfig = field(default_factory=NodeConfig)
    kv: KeyValueKind = "auto"
    log: LogConfig = field(default_factory=LogConfig)
    process: ProcessConfig = field(default_factory=ProcessConfig)

    def __post_init__(self) -> None:
        """The node's id must be known, one way or the other."""
        if self.identity is None and not self.node.id:
            raise ConfigError("who is this node? add [identity] with its keystore, or node.id")


@dataclass(frozen=True, slots=True)
class ClientsConfig:
    """Whose requests an owner node serves."""

    allow: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Identities must be readable."""
        _ = self.addresses

    @property
    def addresses(self) -> frozenset[Address]:
        """The clients beside the owner itself."""
        return frozenset(parse_identity(client) for client in self.allow)


@dataclass(frozen=True, slots=True)
class UploadConfig:
    """How files are uploaded."""

    slice_size: Size = 4 << 20  # a power of two
    window: Size = 64 << 20  # bytes in flight over all uploads


@dataclass(frozen=True, slots=True)
class OwnerConfig:
    """Role owner: acts for a data owner and its clients."""

    data: Path
    server: ServerConfig
    chain: ChainAccess
    identity: KeyConfig
    clients: ClientsConfig = field(default_factory=ClientsConfig)
    upload: UploadConfig = field(default_factory=UploadConfig)
    kv: KeyValueKind = "auto"
    log: LogConfig = field(default_factory=LogConfig)
    process: ProcessConfig = field(default_factory=ProcessConfig)


RoleConfig = ChainConfig | StorageConfig | OwnerConfig
Role = Literal["chain", "storage", "owner"]
ROLES: dict[str, type[ChainConfig] | type[StorageConfig] | type[OwnerConfig]] = {
    "chain": ChainConfig,
    "storage": StorageConfig,
    "owner": OwnerConfig,
}
