"""Which configuration belongs to which role."""

from typing import Literal

from xdb.errors import ConfigError

Role = Literal["chain", "storage", "owner"]
ROLES: tuple[Role, ...] = ("chain", "storage", "owner")


def kind_of(role: str) -> type[object]:
    """The class of a role's configuration. Imported on demand: a role loads its own only."""
    match role:
        case "chain":
            from xdb.config.chain import ChainConfig  # noqa: PLC0415

            return ChainConfig
        case "storage":
            from xdb.config.storage import StorageConfig  # noqa: PLC0415

            return StorageConfig
        case "owner":
            from xdb.config.owner import OwnerConfig  # noqa: PLC0415

            return OwnerConfig
    raise ConfigError(f"there is no role {role!r}: choose one of {', '.join(ROLES)}")
