"""Whose bytes a storage node takes."""

from dataclasses import dataclass
from ipaddress import ip_address

from xdb.errors import AuthError
from xdb.model.ids import Address


@dataclass(frozen=True, slots=True)
class Admission:
    """The owners served; None serves anybody."""

    owners: frozenset[Address] | None

    def check(self, owner: Address) -> None:
        """AuthError for an owner who is not served."""
        if self.owners is not None and owner not in self.owners:
            raise AuthError(
                f"this node does not serve owner {owner.hex()}: ask its operator to add it to "
                "space.owners, or use another node"
            )


def admission(configured: frozenset[Address] | None, host: str) -> Admission:
    """What a configured list means for a node that listens on `host`.

    Keys cost nothing, so an open node is anybody's disk: only one that nobody else can
    reach is open without being told to.
    """
    if configured is not None and not configured and is_loopback(host):
        return Admission(None)
    return Admission(configured)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens on `host`."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
