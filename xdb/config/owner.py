"""Configuration of role owner: acts for a data owner and its clients."""

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
from xdb.core.migration import MigrationConfig
from xdb.core.slicing import DEFAULT_SLICE, is_slice_size
from xdb.errors import ConfigError
from xdb.model.ids import Address
from xdb.model.units import Seconds, Size
from xdb.peer.config import PeerConfig
from xdb.rpc.limits import Limits, PlaneLimits
from xdb.services.candidates import TrustConfig
from xdb.services.download import DownloadConfig
from xdb.services.repair.job import RepairConfig
from xdb.services.upload.sending import UploadConfig
from xdb.tasks.auditor import AuditConfig
from xdb.tasks.renewer import RenewConfig


@dataclass(frozen=True, slots=True)
class ClientsConfig:
    """Whose requests an owner node serves, beside the owner's."""

    allow: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Identities must be readable."""
        _ = self.addresses

    @property
    def addresses(self) -> frozenset[Address]:
        """The clients beside the owner itself."""
        return frozenset(parse_identity(client) for client in self.allow)


def owner_limits() -> Limits:
    """More calls at once than a storage node takes: those of clients wait for one another.

    What uploads and downloads hold in memory has bounds of its own.
    """
    return Limits(streams=128, bulk=PlaneLimits(256, 128, 256 << 20, 128 << 20))


OWNER_TASKS = ("auditor", "health", "migrator", "renewer", "journal")


@dataclass(frozen=True, slots=True)
class OwnerTasksConfig:
    """How often the periodic tasks run."""

    auditor: Seconds = 60.0
    health: Seconds = 60.0
    migrator: Seconds = 60.0
    renewer: Seconds = 3600.0
    journal: Seconds = 3600.0
    off: tuple[str, ...] = ()  # tasks that shall not run

    def __post_init__(self) -> None:
        """Only what exists can be switched off."""
        check_names(self.off, OWNER_TASKS)


@dataclass(frozen=True, slots=True)
class OwnerConfig:
    """Everything an owner node is told."""

    data: Path
    server: ServerConfig
    chain: ChainAccess
    identity: KeyConfig
    slice_size: Size = DEFAULT_SLICE
    kv: KeyValueKind = "auto"
    clients: ClientsConfig = field(default_factory=ClientsConfig)
    trust: TrustConfig = field(default_factory=TrustConfig)
    upload: UploadConfig = field(default_factory=UploadConfig)
    download: DownloadConfig = field(default_factory=DownloadConfig)
    audit: AuditConfig = field(default_factory=AuditConfig)
    migration: MigrationConfig = field(default_factory=MigrationConfig)
    repair: RepairConfig = field(default_factory=RepairConfig)
    renew: RenewConfig = field(default_factory=RenewConfig)
    tasks: OwnerTasksConfig = field(default_factory=OwnerTasksConfig)
    limits: Limits = field(default_factory=owner_limits)
    peers: PeerConfig = field(default_factory=PeerConfig)
    log: LogConfig = field(default_factory=LogConfig)
    process: ProcessConfig = field(default_factory=ProcessConfig)

    def __post_init__(self) -> None:
        """Slices have the sizes that the format allows."""
        if not is_slice_size(self.slice_size):
            raise ConfigError(
                f"slice_size is {self.slice_size}: choose a power of two from 64 KiB to 64 MiB"
            )
