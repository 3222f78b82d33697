"""The beginning of a chain: `xdb-node genesis`."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path

from xdb.blockchain.embedded.genesis import Genesis, save_genesis
from xdb.config.sections import KeyConfig
from xdb.config.table import nearest
from xdb.config.units import parse_duration
from xdb.core.beacon import beacon_chain
from xdb.core.keyring import Secrets
from xdb.core.rules.parameters import check_parameters
from xdb.errors import ConfigError
from xdb.model.registry import Parameters
from xdb.node.machine import open_key
from xdb.ports.clock import Clock
from xdb.store.keystore import keystore_address

NUMBERS = tuple(field.name for field in fields(Parameters) if field.type is int)


@dataclass(frozen=True, slots=True)
class Founding:
    """What a new chain is made of. `settings` are parameters as `name=value`."""

    name: str
    sequencer: Path  # keystore of the key that will sign blocks
    settings: Iterable[str] = ()  # others than the defaults
    beacon: KeyConfig | None = None  # without one there are no audits


def found(founding: Founding, out: Path, clock: Clock) -> Genesis:
    """Writes the genesis of a new chain.

    ConfigError says which setting is wrong; a file that is there is never overwritten.
    """
    now = int(clock.wall())
    values = {"start": now} | dict(_setting(text) for text in founding.settings)
    parameters = Parameters(**values)  # type: ignore[arg-type]  # those that are numbers
    check_parameters(parameters)
    genesis = Genesis(founding.name, now, keystore_address(founding.sequencer), parameters)
    if founding.beacon is not None:
        genesis = with_beacon(genesis, open_key(founding.beacon))
    save_genesis(genesis, out)
    return genesis


def with_beacon(genesis: Genesis, secrets: Secrets) -> Genesis:
    """The genesis with the commitment of the beacon that has `secrets`, the only one."""
    commitment = beacon_chain(secrets, genesis.beacon_context).commitment
    return replace(genesis, parameters=replace(genesis.parameters, beacons=(commitment,)))


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
