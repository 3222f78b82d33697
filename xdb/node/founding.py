"""The beginning of a chain: `xdb-node genesis`."""

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

from xdb.blockchain.embedded.genesis import Genesis, save_genesis
from xdb.config.table import nearest
from xdb.config.units import parse_duration
from xdb.core.rules.parameters import check_parameters
from xdb.errors import ConfigError
from xdb.model.registry import Parameters
from xdb.ports.clock import Clock
from xdb.store.keystore import keystore_address

NUMBERS = tuple(field.name for field in fields(Parameters) if field.type is int)


def found(name: str, keystore: Path, settings: Iterable[str], out: Path, clock: Clock) -> Genesis:
    """Writes the genesis of a new chain whose blocks the key in `keystore` will sign.

    `settings` are parameters other than the defaults, as `name=value`. ConfigError says
    which is wrong; a file that is there is never overwritten.
    """
    now = int(clock.wall())
    values = {"start": now} | dict(_setting(text) for text in settings)
    parameters = Parameters(**values)  # type: ignore[arg-type]  # those that are numbers
    check_parameters(parameters)
    genesis = Genesis(name, now, keystore_address(keystore), parameters)
    save_genesis(genesis, out)
    return genesis


def _setting(text: str) -> tuple[str, int]:
    name, mark, value = text.partition("=")
    if not mark:
        raise ConfigError(f"--set {text}: write NAME=VALUE, such as epoch=30min")
    if name not in NUMBERS:
        raise ConfigError(f"--set {text}: unknown parameter{nearest(name, list(NUMBERS))}")
    try:
        return name, int(parse_duration(value))
    except ValueError as error:
        raise ConfigError(f"--set {text}: {error}, or a number") from error
