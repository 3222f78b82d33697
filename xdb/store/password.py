"""Password files: one line, readable by its owner only."""

import os
import stat
from pathlib import Path

from xdb.errors import ConfigError

LONGEST = 4096
"""Characters of a password."""


def read_password(path: Path) -> str:
    """The file's text without one line end; ConfigError when others could read it, too."""
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(LONGEST + 2)
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path}: no such password file: write the keystore's password into it, mode 0600"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the password file cannot be read: {error}") from error
    if stat.S_ISREG(mode) and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(
            f"{path}: others can read this password file (mode {stat.S_IMODE(mode):04o}): "
            f"chmod 600 {path}"
        )
    password = text.removesuffix("\n").removesuffix("\r")
    if not password or len(password) > LONGEST:
        raise ConfigError(f"{path}: the password must have 1 to {LONGEST} characters: correct it")
    return password
