"""Which storage nodes of a testnet are cut off, and how its relay is told."""

import json
import os
import socket
from pathlib import Path

from xdb.errors import UnavailableError

CUT = "cut.json"
"""In the relay's directory: names of the nodes that are cut off; none when missing."""
CONTROL = "control"
"""Likewise: the Unix socket where the relay is made to look at `CUT`."""
ANSWER_WITHIN = 15.0


def read_cut(home: Path) -> frozenset[str]:
    """The names in `CUT` of the relay's directory `home`."""
    try:
        return frozenset(json.loads((home / CUT).read_text()))
    except FileNotFoundError:
        return frozenset()


def set_cut(home: Path, names: frozenset[str]) -> None:
    """Cuts off these nodes and no others, now and whenever the relay starts.

    UnavailableError when the relay does not answer. What is written stays: it is done when
    the relay starts again.
    """
    made = home / f"{CUT}.new"
    made.write_text(json.dumps(sorted(names)))
    made.replace(home / CUT)
    try:
        done = _tell(home)
    except (OSError, ValueError) as error:
        raise UnavailableError(
            f"the relay does not answer ({error}): it will obey when it runs again, start it with: "
            "xdb-cli testnet restart relay"
        ) from error
    if done != names:
        raise UnavailableError(
            "the relay cuts off other nodes than it was told to: try again, or start it anew "
            "with: xdb-cli testnet restart relay"
        )


def control_path(directory: int) -> str:
    """The path of `CONTROL` in an open directory: that of a socket must be short."""
    return f"/proc/self/fd/{directory}/{CONTROL}"


def _tell(home: Path) -> frozenset[str]:
    """Makes the relay look; what is cut off then, as it says."""
    directory = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    said = b""
    try:
        with socket.socket(socket.AF_UNIX) as relay:
            relay.settimeout(ANSWER_WITHIN)
            relay.connect(control_path(directory))
            while part := relay.recv(4096):
                said += part
    finally:
        os.close(directory)
    return frozenset(json.loads(said))
