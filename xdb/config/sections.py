"""Sections that several roles have."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from xdb.blockchain.embedded.config import FollowerConfig, SubmitConfig
from xdb.config.address import parse_endpoint, split_address
from xdb.config.ethereum import EthereumAccess
from xdb.errors import ConfigError
from xdb.model.registry import Endpoint
from xdb.model.units import Seconds

Backend = Literal["embedded", "ethereum"]
KeyValueKind = Literal["auto", "leveldb", "sqlite"]


@dataclass(frozen=True, slots=True)
class KeyConfig:
    """A keystore and the file that holds its password."""

    keystore: Path
    password_file: Path


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Where to listen, and the address that others are told (by default the same)."""

    listen: str
    advertise: str = ""

    def __post_init__(self) -> None:
        """Both must be addresses, and what others are told must be reachable for them."""
        split_address(self.listen)
        host, port = split_address(self.address)
        if host in {"0.0.0.0", "::"}:  # noqa: S104  # refused, not bound
            raise ConfigError(
                f"others cannot reach {self.address}: set advertise to a name or address of this "
                "machine that they can"
            )
        if port == 0:
            raise ConfigError(f"others cannot reach {self.address}: set a port")

    @property
    def address(self) -> str:
        """What others are told."""
        return self.advertise or self.listen


@dataclass(frozen=True, slots=True)
class ChainAccess:
    """The chain to follow, by its backend.

    An embedded one has a genesis, and servers written as `host:port#certificate hash`.
    """

    genesis: Path | None = None
    servers: tuple[str, ...] = ()
    sync: bool = True  # fsync of the local copy of the chain
    follow: FollowerConfig = field(default_factory=FollowerConfig)
    submit: SubmitConfig = field(default_factory=SubmitConfig)
    backend: Backend = "embedded"
    ethereum: EthereumAccess = field(default_factory=EthereumAccess)

    def __post_init__(self) -> None:
        """What the backend needs must be there, and readable."""
        if self.backend == "ethereum":
            self.ethereum.check()
            return
        _ = self.genesis_file
        if not self.servers:
            raise ConfigError("servers is empty: name at least one chain server")
        _ = self.endpoints

    @property
    def genesis_file(self) -> Path:
        """The genesis of an embedded chain."""
        if self.genesis is None:
            raise ConfigError("genesis is missing: name the chain's genesis.toml, or a backend")
        return self.genesis

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The servers."""
        return tuple(parse_endpoint(server) for server in self.servers)


@dataclass(frozen=True, slots=True)
class LogConfig:
    """What is logged, and where: standard error, or a file that is rotated."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"
    file: Path | None = None


@dataclass(frozen=True, slots=True)
class ProcessConfig:
    """How the process ends, and what it works with."""

    stop_within: Seconds = 10.0
    workers: int = 0  # processes for commitments; 0: one per processor
    threads: int = 8  # for hashing, encryption, files


def check_names(off: Iterable[str], tasks: Collection[str]) -> None:
    """ConfigError when something is switched off that does not exist."""
    for name in off:
        if name not in tasks:
            raise ConfigError(f"tasks.off names {name!r}: choose from {', '.join(tasks)}")
