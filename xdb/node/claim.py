"""A data directory belongs to one node of one deployment, and to one process at a time."""

import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from xdb.errors import ConfigError, CorruptFileError
from xdb.store.lock import DirectoryLock

FORMAT = 1
RECORD = "node.toml"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a data directory is; identities in hexadecimal."""

    role: str
    id: str
    chain: str
    contract: str


@contextmanager
def claimed(data: Path, owner: Owner) -> Iterator[None]:
    """Holds `data` for this process.

    A new directory is marked as `owner`'s; ConfigError when it is somebody else's or
    another process holds it.
    """
    try:
        lock = DirectoryLock(data)
    except OSError as error:
        raise ConfigError(
            f"{data}: cannot be used as the data directory: {error.strerror}: "
            "it must be this user's own"
        ) from error
    try:
        _check(data, owner)
        yield
    finally:
        lock.release()


def _check(data: Path, owner: Owner) -> None:
    path = data / RECORD
    expected = {"format": FORMAT} | asdict(owner)
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        _write(path, expected)
        return
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CorruptFileError(
            f"{path}: damaged ({error}): it says whose this directory is; restore it from a backup"
        ) from error
    for key, value in expected.items():
        if found.get(key) != value:
            raise ConfigError(
                f"{data}: belongs to another node: its {key} is {found.get(key)!r}, this one's is "
                f"{value!r}; name the right data directory, or an empty one to start anew"
            )


def _write(path: Path, values: dict[str, object]) -> None:
    text = "".join(f"{key} = {_text(value)}\n" for key, value in values.items())
    made = path.with_suffix(".new")
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        os.write(descriptor, text.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    made.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _text(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
