"""Signing requests.

A signature covers the bytes of the (first) message as sent. So that nothing depends on
a serialiser giving the same bytes twice, a message is serialised once: the bytes are
hashed and signed here and the same bytes object goes to grpc, through a call without a
serialiser of its own.
"""

from dataclasses import dataclass

from xdb.core.authorization import authorize
from xdb.core.wire import to_message
from xdb.model.ids import Address, Deployment, Nonce
from xdb.pb import auth_pb2
from xdb.ports.clock import Clock
from xdb.ports.entropy import Entropy
from xdb.ports.keys import Signer

METADATA = "xdb-authorization-bin"
_NONCE = 16

RequestMetadata = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class RequestSigner:
    """Signs requests with one identity's key."""

    signer: Signer
    deployment: Deployment
    clock: Clock
    entropy: Entropy

    def metadata(self, method: str, audience: Address, request: bytes) -> RequestMetadata:
        """What travels beside `request`; good for one call."""
        nonce = Nonce(self.entropy.draw(_NONCE))
        authorization = authorize(
            self.signer, method, audience, self.deployment, request, nonce, self.clock.wall()
        )
        message = to_message(authorization, auth_pb2.Authorization)
        return ((METADATA, message.SerializeToString()),)
