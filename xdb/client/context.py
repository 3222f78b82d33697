"""The context file: which owner node, on which chain, with which key.

::

    owner = "127.0.0.1:7500#<SHA-256 of its certificate>"
    identity = "<the owner's address>"
    chain = "<chain id>"
    contract = "<contract address>"
    keystore = "client.json"
    password_file = "client.password"       # without it the password is asked for

Everything in it is public; the paths are relative to the file.
"""

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from xdb.core.names import parse_hex
from xdb.errors import ConfigError, InvalidRequestError
from xdb.model.ids import WIDTHS, Address, ChainId, Deployment, Digest
from xdb.model.registry import Endpoint

VARIABLE = "XDB_CONTEXT"
_REQUIRED = ("owner", "identity", "chain", "contract", "keystore")
_KEYS = (*_REQUIRED, "password_file")
_LARGEST_PORT = 65535

I = TypeVar("I", Address, ChainId, Digest)  # noqa: E741  # an identifier


@dataclass(frozen=True, slots=True)
class Context:
    """What a client needs to know of its owner node, and where its own key is."""

    endpoint: Endpoint
    owner: Address
    deployment: Deployment
    keystore: Path
    password_file: Path | None = None


def testnet_directory(environment: Mapping[str, str]) -> Path:
    """Where `xdb-cli testnet` keeps its network unless told otherwise."""
    return _home(environment, "XDG_STATE_HOME", ".local/state") / "xdb" / "testnet"


def find_context(environment: Mapping[str, str] | None = None) -> Path:
    """The file that $XDB_CONTEXT names, else the user's own, else that of the local testnet."""
    environment = os.environ if environment is None else environment
    if named := environment.get(VARIABLE):
        return Path(named).expanduser()
    own = _home(environment, "XDG_CONFIG_HOME", ".config") / "xdb" / "context.toml"
    local = testnet_directory(environment) / "context.toml"
    for path in (own, local):
        if path.exists():
            return path
    raise ConfigError(
        f"there is no context, the file that says which owner node to use: name it with "
        f"--context or {VARIABLE}, put it at {own}, or start a network with: xdb-cli testnet up"
    )


def read_context(path: Path) -> Context:
    """The context in a file; ConfigError says which key is wrong and how it is written."""
    table = _table(path)
    here = path.absolute().parent
    password = table.get("password_file")
    try:
        return Context(
            endpoint=_endpoint(table["owner"]),
            owner=_id(Address, table, "identity"),
            deployment=Deployment(
                chain=_id(ChainId, table, "chain"), contract=_id(Address, table, "contract")
            ),
            keystore=here / Path(table["keystore"]).expanduser(),
            password_file=here / Path(password).expanduser() if password else None,
        )
    except InvalidRequestError as error:
        raise ConfigError(f"{path}: {error}") from error


def write_context(path: Path, context: Context) -> None:
    """Writes a context whole or not at all; paths below the file's directory become relative."""
    here = path.absolute().parent
    values = {
        "owner": f"{context.endpoint.address}#{context.endpoint.certificate.hex()}",
        "identity": context.owner.hex(),
        "chain": context.deployment.chain.hex(),
        "contract": context.deployment.contract.hex(),
        "keystore": _relative(context.keystore, here),
    }
    if context.password_file is not None:
        values["password_file"] = _relative(context.password_file, here)
    # A string of JSON is one of TOML, too, as long as nothing is escaped in two halves.
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items()]
    draft = path.with_name(f".{path.name}.new")
    draft.write_text("# Which owner node xdb-cli and xdb.client use.\n" + "".join(lines))
    draft.replace(path)


def _home(environment: Mapping[str, str], variable: str, below: str) -> Path:
    named = environment.get(variable)
    return Path(named) if named else Path(environment.get("HOME") or Path.home()) / below


def _table(path: Path) -> dict[str, str]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path}: no such context file: correct --context or {VARIABLE}, or start a network "
            "with: xdb-cli testnet up"
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: not a readable context file: {error}: correct it") from error
    for key, value in table.items():
        if key not in _KEYS:
            raise ConfigError(f"{path}: unknown key {key!r}: there are {', '.join(_KEYS)}")
        if not isinstance(value, str) or not value:
            raise ConfigError(f"{path}: {key} must be a text in quotes, is {value!r}: correct it")
    for key in _REQUIRED:
        if key not in table:
            raise ConfigError(f"{path}: {key} is missing: add it, docs/library.md shows how")
    return table


def _endpoint(text: str) -> Endpoint:
    address, _, certificate = text.partition("#")
    host, _, port = address.rpartition(":")
    number = int(port) if port.isascii() and port.isdigit() else 0
    if not host or not 0 < number <= _LARGEST_PORT:
        raise InvalidRequestError(
            f"owner is {text!r}: write host:port#hash with the SHA-256 of its certificate"
        )
    width = WIDTHS[Digest]
    return Endpoint(address, Digest(parse_hex(certificate, width, "hash of a certificate")))


def _id(kind: type[I], table: Mapping[str, str], key: str) -> I:
    return kind(parse_hex(table[key], WIDTHS[kind], key))


def _relative(path: Path, here: Path) -> str:
    absolute = path.absolute()
    return str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute)
