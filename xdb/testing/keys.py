"""Identities made from a name."""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256

from xdb.core.keyring import derive
from xdb.core.signing import address_of, sign
from xdb.model.ids import Address, Digest, NodeId, Signature


@dataclass(frozen=True)
class NamedKey:
    """A key that its name determines: `Signer` and `Secrets`. Safe for nothing but tests."""

    name: str

    @property
    def address(self) -> Address:
        """Its address."""
        return _address(self.private_key)

    @property
    def node(self) -> NodeId:
        """Its address as that of a storage node."""
        return NodeId(self.address)

    def sign(self, digest: Digest) -> Signature:
        """Signs a digest."""
        return sign(self.private_key, digest)

    def derive(self, label: str, context: bytes = b"") -> bytes:
        """A secret of its own for each label and context."""
        return derive(self.private_key, label, context)

    @property
    def private_key(self) -> bytes:
        """The key itself."""
        return sha256(b"named key " + self.name.encode()).digest()


@cache
def _address(private: bytes) -> Address:
    return address_of(private)
