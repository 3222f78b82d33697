"""Reads a configuration once: a TOML file, then `XDB_*` from the environment."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from xdb.config.table import Place, leaves, nearest, read_table
from xdb.errors import ConfigError

T = TypeVar("T")
PREFIX = "XDB_"


def load(kind: type[T], file: Path, environment: Mapping[str, str]) -> T:
    """The configuration `kind` from `file`, overridden by `XDB_SECTION_KEY` variables.

    Paths in it are relative to the file's directory. ConfigError says which file, which
    key, and what is wrong with it.
    """
    directory = file.absolute().parent
    table = _merged(_parse(file), _overrides(kind, environment))
    return read_table(kind, table, Place(str(file), directory))


def _parse(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"{file}: no such file; copy one from configs/ or name another with --config"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: not valid TOML: {error}") from error


def _overrides(kind: type[T], environment: Mapping[str, str]) -> dict[str, Any]:
    """A nested table of the variables that name keys of `kind`.

    A variable that begins like a section of `kind` but names no key in it is a mistake;
    others belong to other programs.
    """
    names = {PREFIX + "_".join(path).upper(): path for path, _ in leaves(kind)}
    sections = {PREFIX + path[0].upper() + "_" for path in names.values() if len(path) > 1}
    table: dict[str, Any] = {}
    for name, value in sorted(environment.items()):
        if name in names:
            *parents, key = names[name]
            inner = table
            for parent in parents:
                inner = inner.setdefault(parent, {})
            inner[key] = value
        elif any(name.startswith(section) for section in sections):
            raise ConfigError(f"environment: {name}: unknown key{nearest(name, list(names))}")
    return table


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        lower = result.get(key)
        if isinstance(value, dict) and isinstance(lower, dict):
            result[key] = _merged(lower, value)
        else:
            result[key] = value
    return result
