"""Whom an owner node serves."""

from dataclasses import dataclass

from xdb.errors import AuthError
from xdb.model.ids import Address
from xdb.rpc.authorization import caller


@dataclass(frozen=True, slots=True)
class Clients:
    """The owner itself, and the clients it acts for."""

    owner: Address
    allowed: frozenset[Address] = frozenset()

    def check(self) -> None:
        """AuthError unless the caller of this request is one of them."""
        who = caller()
        if who != self.owner and who not in self.allowed:
            raise AuthError(
                f"this owner node does not serve {who.hex()}: have the address added to "
                "clients.allow in its configuration, or use the right key"
            )
