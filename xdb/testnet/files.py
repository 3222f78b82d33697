"""Small files of a testnet: TOML tables and secrets."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

Value = str | int | float | bool | Sequence[str]
Table = Mapping[str, Value | Mapping[str, Value]]


def write_toml(path: Path, table: Table, comment: str) -> None:
    """Plain values first, then one level of tables."""
    lines = [f"# {comment}"]
    lines += [f"{key} = {_text(value)}" for key, value in table.items() if not _is_table(value)]
    for name, inner in table.items():
        if isinstance(inner, Mapping):
            lines += ["", f"[{name}]"]
            lines += [f"{key} = {_text(value)}" for key, value in inner.items()]
    path.write_text("\n".join(lines) + "\n")


def write_secret(path: Path, text: str) -> None:
    """A file that only its owner can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping)


def _text(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            return f'"{escaped}"'
        case int() | float():
            return repr(value)
        case Sequence():
            return "[" + ", ".join(_text(item) for item in value) + "]"
    raise TypeError(f"TOML has no {type(value).__name__}")
