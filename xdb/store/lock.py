"""One process to a directory."""

import fcntl
import os
from pathlib import Path

from xdb.errors import ConfigError
from xdb.store.directories import make_directory

FILE = "LOCK"


class DirectoryLock:
    """Holds `directory`/LOCK until released; the kernel releases it when the process dies."""

    def __init__(self, directory: Path) -> None:
        make_directory(directory)
        self._file = os.open(directory / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise ConfigError(
                f"{directory} is in use by another process: stop that one, or name another "
                "directory"
            ) from error

    def release(self) -> None:
        """Lets others in; safe to repeat."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
