"""Free TCP ports for servers."""

import socket
from pathlib import Path

from xdb.errors import ConfigError
from xdb.ports.entropy import Entropy

LOWEST = 10_000
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
ATTEMPTS = 1000


def free_ports(count: int, entropy: Entropy) -> list[int]:
    """`count` different ports of loopback that nobody listens on at this moment.

    They lie below those that outgoing connections get, so that a server that is down for
    a while finds its port again.
    """
    end = max(LOWEST + count, int(EPHEMERAL.read_text().split()[0]))
    found: list[int] = []
    for _ in range(ATTEMPTS + count):
        if len(found) == count:
            return found
        port = LOWEST + int.from_bytes(entropy.draw(4), "big") % (end - LOWEST)
        if port not in found and _is_free(port):
            found.append(port)
    raise ConfigError(f"no {count} free ports between {LOWEST} and {end}: stop some servers")


def _is_free(port: int) -> bool:
    with socket.socket() as trial:
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
