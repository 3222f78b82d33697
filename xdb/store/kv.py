"""Opens the key-value store of a directory."""

import importlib.util
from pathlib import Path
from typing import Literal

from xdb.errors import ConfigError
from xdb.ports.kv import KeyValue
from xdb.store.kv_sqlite import FILE as SQLITE_FILE
from xdb.store.kv_sqlite import SqliteKeyValue

Kind = Literal["auto", "leveldb", "sqlite"]
LEVELDB_DIRECTORY = "kv.leveldb"


def open_kv(directory: Path, kind: Kind = "auto") -> KeyValue:
    """The store in `directory`, made when missing.

    `auto` opens what is there; a new one is LevelDB where plyvel is installed, else
    SQLite. Raises ConfigError when it is in use, of the other kind or not installed,
    CorruptFileError when it is damaged.
    """
    present = _present(directory)
    if kind != "auto" and present not in (None, kind):
        raise ConfigError(
            f"{directory} holds a {present} store, and the configuration says kv = {kind!r}: "
            f"set it to 'auto' or {present!r}"
        )
    installed = importlib.util.find_spec("plyvel") is not None
    wanted = present or (kind if kind != "auto" else "leveldb" if installed else "sqlite")
    if wanted == "sqlite":
        return SqliteKeyValue(directory)
    if not installed:
        raise ConfigError(
            f"{directory} needs LevelDB, and the package plyvel is not installed: install it "
            "(it has wheels for Python 3.11 and 3.12), or start from an empty directory"
        )
    from xdb.store.kv_leveldb import LevelKeyValue  # noqa: PLC0415  # not there on newer Pythons

    return LevelKeyValue(directory)


def _present(directory: Path) -> Kind | None:
    if (directory / LEVELDB_DIRECTORY).exists():
        return "leveldb"
    if (directory / SQLITE_FILE).exists():
        return "sqlite"
    return None
