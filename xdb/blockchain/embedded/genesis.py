"""What an embedded chain starts from; its hash is the chain id.

`genesis.toml` carries every parameter in full, so that no default of a later version
can give it another meaning, and the chain id, so that an edited file is noticed.
"""

import tomllib
from dataclasses import MISSING, dataclass, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from xdb.core.rules.parameters import check_parameters
from xdb.core.signing import digest_of
from xdb.errors import ConfigError
from xdb.model.ids import Address, ChainId, Deployment, Digest
from xdb.model.registry import Parameters

DOMAIN = "xdb/v1/genesis"
BEACON_DOMAIN = "xdb/v1/beacon-context"
CONTRACT = Address(sha256(b"xdb/v1/contract").digest()[:20])
"""There is one registry on an embedded chain; this stands where other chains have an address."""
LONGEST_TICK = 10.0

_FORMAT = 1
_DIGEST = 32
_ADDRESS = 20


@dataclass(frozen=True, slots=True)
class Genesis:
    """The beginning of a chain: `time` is the chain time before the first block."""

    name: str
    time: int
    sequencer: Address
    parameters: Parameters

    @property
    def deployment(self) -> Deployment:
        """What all signatures of this chain name."""
        return Deployment(ChainId(digest_of(DOMAIN, self)), CONTRACT)

    @property
    def beacon_context(self) -> Digest:
        """What beacons derive their chains for: all of this but the commitments made from them."""
        bare = replace(self, parameters=replace(self.parameters, beacons=()))
        return digest_of(BEACON_DOMAIN, bare)

    @property
    def tick(self) -> float:
        """Seconds after which a block is made though nobody calls."""
        return min(self.parameters.epoch / 10, LONGEST_TICK)


def write_genesis(genesis: Genesis) -> str:
    """The text of `genesis.toml`."""
    lines = [
        "# The beginning of an embedded chain. Everybody who joins needs this file, unchanged.",
        f"format = {_FORMAT}",
        f"chain = {_toml(genesis.deployment.chain)}",
        f"name = {_toml(genesis.name)}",
        f"time = {genesis.time}",
        f"sequencer = {_toml(genesis.sequencer)}",
        "",
        "[parameters]",
    ]
    lines += [
        f"{field.name} = {_toml(getattr(genesis.parameters, field.name))}"
        for field in fields(Parameters)
    ]
    return "\n".join(lines) + "\n"


def read_genesis(text: str, source: str = "genesis.toml") -> Genesis:
    """The genesis in the text of a file; ConfigError says what is wrong with `source`."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: no valid TOML ({error}): get a fresh copy") from error
    try:
        genesis = _genesis(table)
    except (KeyError, TypeError, ValueError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ConfigError(f"{source}: {what}: get a fresh copy of the chain's genesis") from error
    _check_chain(genesis, table.get("chain"), source)
    check_parameters(genesis.parameters)
    return genesis


def save_genesis(genesis: Genesis, path: Path) -> None:
    """Writes `genesis.toml`; never over another one."""
    try:
        with path.open("x") as file:
            file.write(write_genesis(genesis))
    except FileExistsError as error:
        raise ConfigError(
            f"{path} is there already: a chain keeps its genesis; name another file"
        ) from error
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error}") from error


def load_genesis(path: Path) -> Genesis:
    """Reads `genesis.toml`."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"cannot read the genesis {path}: {error}; copy it from whoever runs the chain"
        ) from error
    return read_genesis(text, str(path))


def _check_chain(genesis: Genesis, written: object, source: str) -> None:
    here = genesis.deployment.chain.hex()
    if written is not None and written != here:
        raise ConfigError(
            f"{source}: says it is chain {written}, its content makes chain {here}: it was edited, "
            "or made for another version; get a fresh copy"
        )


def _toml(value: object) -> str:
    match value:
        case int():
            return str(value)
        case bytes():
            return f'"{value.hex()}"'
        case str():
            return _text(value)
        case tuple():
            return f"[{', '.join(_toml(item) for item in value)}]"
        case _:
            raise TypeError(f"no genesis value: {value!r}")


def _text(text: str) -> str:
    # What a basic string must not hold as it is, in the escapes that TOML knows.
    escaped = "".join(
        f"\\U{ord(char):08x}" if char in '"\\' or not char.isprintable() else char for char in text
    )
    return f'"{escaped}"'


def _genesis(table: dict[str, Any]) -> Genesis:
    if table["format"] != _FORMAT:
        raise ValueError(f"format {table['format']} is not known here")
    _check_keys(table, {"format", "chain", "name", "time", "sequencer", "parameters"}, "")
    return Genesis(
        name=_typed(table, "name", str),
        time=_typed(table, "time", int),
        sequencer=Address(_hex(table["sequencer"], _ADDRESS, "sequencer")),
        parameters=_parameters(_typed(table, "parameters", dict)),
    )


def _parameters(table: dict[str, Any]) -> Parameters:
    known = {field.name: field for field in fields(Parameters)}
    _check_keys(table, set(known), "parameters.")
    values: dict[str, Any] = {}
    for name, field in known.items():
        if name not in table and field.default is not MISSING:
            continue
        if name == "beacons":
            beacons = _typed(table, name, list)
            values[name] = tuple(Digest(_hex(item, _DIGEST, name)) for item in beacons)
        else:
            values[name] = _typed(table, name, int)
    return Parameters(**values)


def _check_keys(table: dict[str, Any], known: set[str], prefix: str) -> None:
    unknown = sorted(set(table) - known)
    if unknown:
        raise ValueError(f"unknown key {prefix}{unknown[0]}")


def _typed(table: dict[str, Any], key: str, kind: type[Any]) -> Any:  # noqa: ANN401  # of `kind`
    value = table[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"{key} = {value!r} is no {kind.__name__}")
    if isinstance(value, int) and not 0 <= value < 1 << 63:
        raise ValueError(f"{key} = {value} is out of range")
    return value


def _hex(value: object, width: int, key: str) -> bytes:
    if not isinstance(value, str) or len(value) != 2 * width:
        raise ValueError(f"{key} = {value!r} is not {2 * width} hexadecimal digits")
    return bytes.fromhex(value)
