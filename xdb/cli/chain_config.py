"""Which configuration, and which key, a verb of `xdb-cli chain` goes by."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from xdb.cli.state import State
from xdb.errors import ConfigError, InvalidRequestError

if TYPE_CHECKING:
    from xdb.node.chains import NodeConfig
    from xdb.store.keystore import LocalKey

_OF_STORAGE = {"signer", "space"}
"""Sections that only a storage node's configuration has."""


def config_of(at: State, name: str | None, file: Path | None) -> "NodeConfig":
    """From `file`, or of the testnet's member `name`, which is its owner when none is named."""
    from xdb.testnet import network  # noqa: PLC0415  # not for --help

    if file is not None and name is not None:
        raise InvalidRequestError("which node? give its name in a testnet or --config, not both")
    if file is not None:
        return _loaded(file, os.environ)
    directory = _testnet(at)
    if directory is None:
        raise ConfigError(
            "which chain? the context belongs to no testnet: give --config with the configuration "
            "of a storage or owner node"
        )
    roles = {process.name: process.role for process in network.status(directory)}
    member = name or "owner"
    is_storage = roles.get(member) == "storage"
    return _loaded(network.config_of(directory, member, "storage" if is_storage else "owner"), {})


def key_of(at: State, keystore: Path | None, password_file: Path | None) -> "LocalKey":
    """The key that pays: the one named, or the rich one of a testnet on Ethereum."""
    from xdb.config.sections import KeyConfig  # noqa: PLC0415  # not for --help
    from xdb.node.machine import open_key  # noqa: PLC0415  # likewise
    from xdb.testnet.create import BANK  # noqa: PLC0415  # likewise
    from xdb.testnet.layout import ANVIL, Layout  # noqa: PLC0415  # likewise

    if keystore is not None and password_file is not None:
        return open_key(KeyConfig(keystore, password_file))
    if keystore is not None or password_file is not None:
        raise InvalidRequestError("a key needs --keystore and --key-password-file: give both")
    directory = _testnet(at)
    home = None if directory is None else Layout(directory).home(ANVIL)
    if home is None or not (home / f"{BANK}.json").exists():
        raise ConfigError(
            "whose ether? give --keystore and --key-password-file; only a testnet on Ethereum has "
            "a key of its own to pay with"
        )
    return open_key(KeyConfig(home / f"{BANK}.json", home / f"{BANK}.password"))


def _testnet(at: State) -> Path | None:
    from xdb.client.context import find_context  # noqa: PLC0415  # not for --help
    from xdb.testnet import network  # noqa: PLC0415  # likewise

    try:
        directory = (at.context or find_context()).absolute().parent
    except ConfigError:  # there is no context
        return None
    return directory if network.exists(directory) else None


def _loaded(file: Path, environment: Mapping[str, str]) -> "NodeConfig":
    from xdb.config.owner import OwnerConfig  # noqa: PLC0415  # not for --help
    from xdb.config.source import load  # noqa: PLC0415  # likewise
    from xdb.config.storage import StorageConfig  # noqa: PLC0415  # likewise

    try:
        sections = set(tomllib.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        sections = set()  # `load` says what is wrong
    if _OF_STORAGE & sections:
        return load(StorageConfig, file, environment)
    return load(OwnerConfig, file, environment)
