"""`xdb-cli keys`."""

import os
import sys
from pathlib import Path

import click

from xdb.cli.lazy import LazyGroup, Verb
from xdb.cli.state import State, common, state
from xdb.cli.table import fields
from xdb.errors import ConfigError

VERBS = {
    "new": Verb("xdb.cli.key:new", "Make a key, and the phrase that brings it back."),
    "recover": Verb("xdb.cli.key:recover", "Make a keystore from a phrase."),
    "show": Verb("xdb.cli.key:show", "Show whose key a keystore holds."),
    "change-password": Verb(
        "xdb.cli.key:change_password", "Put a keystore under another password."
    ),
}
_BYTES = {"12": 16, "24": 32}
_PATH = click.Path(path_type=Path)
_KEYSTORE = click.argument("keystore", type=_PATH)
_PASSWORD = click.option(
    "--password-file", "password_from", type=_PATH, metavar="FILE", help="Holds the password."
)


@click.command(
    cls=LazyGroup, verbs=VERBS, short_help="Keystores: new, recover, show, change-password."
)
def keys() -> None:
    """Keys: Ethereum V3 keystore files, and the phrases behind them."""


@click.command(short_help="Make a key, and the phrase that brings it back.")
@_KEYSTORE
@_PASSWORD
@click.option(
    "--words",
    type=click.Choice(list(_BYTES)),
    default="12",
    show_default=True,
    help="Of the phrase.",
)
@common
def new(keystore: Path, password_from: Path | None, words: str) -> None:
    """Make a key in the file KEYSTORE, under a password. Print its phrase, once.

    The phrase brings the key back when the file or its password is lost. Nothing else
    does, and everything the key owns is lost with it.
    """
    from xdb.runtime.entropy import SystemEntropy  # noqa: PLC0415  # not for --help
    from xdb.store.keystore import key_of_phrase, new_phrase  # noqa: PLC0415  # slow to import

    _check_free(keystore)
    password = _new_password(password_from)
    phrase = new_phrase(SystemEntropy().draw(_BYTES[words]))
    at = state()
    address = _write(keystore, key_of_phrase(phrase), password)
    at.document({"address": address, "keystore": str(keystore), "phrase": phrase})
    fields(at, [("address", address), ("keystore", str(keystore)), ("phrase", phrase)], indent="")
    at.note("write the phrase down and keep it apart from this machine: it is not shown again")


@click.command(short_help="Make a keystore from a phrase.")
@_KEYSTORE
@_PASSWORD
@click.option(
    "--phrase-file", type=_PATH, metavar="FILE", help="Holds the phrase; it is asked for otherwise."
)
@common
def recover(keystore: Path, password_from: Path | None, phrase_file: Path | None) -> None:
    """Make the file KEYSTORE from a phrase of 12 or 24 words."""
    from xdb.store.keystore import key_of_phrase  # noqa: PLC0415  # slow to import

    _check_free(keystore)
    private_key = key_of_phrase(_phrase(phrase_file))
    password = _new_password(password_from)
    _tell(state(), keystore, _write(keystore, private_key, password))


@click.command(short_help="Show whose key a keystore holds.")
@_KEYSTORE
@common
def show(keystore: Path) -> None:
    """Show the address of the key in the file KEYSTORE; it takes no password."""
    from xdb.store.keystore import keystore_address  # noqa: PLC0415  # slow to import

    _tell(state(), keystore, keystore_address(keystore).hex())


@click.command("change-password", short_help="Put a keystore under another password.")
@_KEYSTORE
@_PASSWORD
@click.option("--new-password-file", type=_PATH, metavar="FILE", help="Holds the new password.")
@common
def change_password(
    keystore: Path, password_from: Path | None, new_password_file: Path | None
) -> None:
    """Put the key in the file KEYSTORE under another password, in one step."""
    from xdb.store import keystore as store  # noqa: PLC0415  # slow to import

    address = store.keystore_address(keystore).hex()
    old = _old_password(keystore, password_from)
    store.read_keystore(keystore, old)  # a wrong one is told before a new one is asked for
    store.change_password(keystore, old, _new_password(new_password_file))
    _tell(state(), keystore, address)


def _tell(at: State, keystore: Path, address: str) -> None:
    at.document({"address": address, "keystore": str(keystore)})
    fields(at, [("address", address), ("keystore", str(keystore))], indent="")


def _write(keystore: Path, private_key: bytes, password: str) -> str:
    from xdb.store.keystore import keystore_address, write_keystore  # noqa: PLC0415  # slow to import

    write_keystore(keystore, private_key, password)
    return keystore_address(keystore).hex()


def _check_free(keystore: Path) -> None:
    if os.path.lexists(keystore):
        raise ConfigError(
            f"{keystore} exists and is not overwritten: choose another file, or move it away"
        )


def _new_password(file: Path | None) -> str:
    if file is not None:
        return _read(file)
    _need_terminal("--password-file")
    text: str = click.prompt(
        "New password", hide_input=True, err=True, confirmation_prompt="The same again"
    )
    return text


def _old_password(keystore: Path, file: Path | None) -> str:
    if file is not None:
        return _read(file)
    _need_terminal("--password-file")
    text: str = click.prompt(f"Password of {keystore}", hide_input=True, err=True)
    return text


def _phrase(file: Path | None) -> str:
    if file is not None:
        return _read(file)
    _need_terminal("--phrase-file")
    text: str = click.prompt("Phrase", hide_input=True, err=True)
    return text


def _read(file: Path) -> str:
    from xdb.store.password import read_password  # noqa: PLC0415  # not for --help

    return read_password(file)


def _need_terminal(option: str) -> None:
    if not sys.stdin.isatty():
        raise ConfigError(f"there is no terminal to ask at: name a file with {option}")
