"""Directories that are still there after a power cut."""

import os
from pathlib import Path

MODE = 0o700


def make_directory(path: Path) -> None:
    """Makes a directory and those above it, for this user only, and syncs what it made."""
    missing = []
    at = path
    while not at.is_dir():
        missing.append(at)
        at = at.parent
    for each in reversed(missing):
        each.mkdir(MODE, exist_ok=True)
        sync_directory(each.parent)


def sync_directory(path: Path) -> None:
    """Makes the names in a directory durable."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
