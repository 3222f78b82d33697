"""Sends calls without a ledger of one's own, for programs that come and go.

A server is known by its certificate and believed: that the call is in the chain, and with
which outcome, is its word. It cannot make anything of the call but what was signed, nor
answer with the outcome of another one.
"""

import asyncio
from collections.abc import Sequence

from xdb.blockchain.embedded.config import SubmitConfig
from xdb.blockchain.embedded.genesis import Genesis
from xdb.blockchain.embedded.sending import Sending, inclusion
from xdb.core.envelope import envelope_digest, sign_envelope
from xdb.errors import IntegrityError, UnavailableError, XdbError
from xdb.model.calls import Call
from xdb.model.ids import Deployment, Digest, NodeId, Nonce
from xdb.model.registry import Parameters
from xdb.ports.blockchain import Inclusion
from xdb.ports.clock import Clock
from xdb.ports.entropy import Entropy
from xdb.ports.keys import Signer
from xdb.ports.peer import ChainPeer, Outcome, RemoteHead, RemoteNode


class RemoteRegistry:
    """`Registry` of one identity, by the word of its servers."""

    def __init__(  # noqa: PLR0913, PLR0917  # what it is made of
        self,
        genesis: Genesis,
        peers: Sequence[ChainPeer],
        signer: Signer,
        clock: Clock,
        entropy: Entropy,
        config: SubmitConfig | None = None,
    ) -> None:
        self._genesis = genesis
        self._peers = tuple(peers)
        self._signer = signer
        self._entropy = entropy
        self._config = config or SubmitConfig()
        self._seen = _Seen()
        self._sending = Sending(peers, clock, self._config, self._seen)

    @property
    def deployment(self) -> Deployment:
        """See `Registry`."""
        return self._genesis.deployment

    @property
    def parameters(self) -> Parameters:
        """See `Registry`."""
        return self._genesis.parameters

    async def node(self, node: NodeId) -> RemoteNode:
        """A node's record by the server that has come furthest; UnavailableError without one."""
        answers = await asyncio.gather(*(_asked(peer, node) for peer in self._peers))
        found = [answer for answer in answers if isinstance(answer, RemoteNode)]
        if not found:
            raise _worst(answers)
        newest = max(found, key=lambda answer: answer.height)
        self._seen.head = RemoteHead(newest.height, self._seen.head.block, newest.time)
        return newest

    async def submit(self, call: Call) -> Inclusion:
        """See `Registry`. IntegrityError when a server answers about another call."""
        if not self._seen.head.height:
            await self.node(NodeId(self._signer.address))
        deadline = self._seen.head.time + self._config.lifetime(self.parameters)
        nonce = Nonce(self._entropy.draw(16))
        envelope = sign_envelope(call, self.deployment, self._signer, nonce, deadline)
        outcome = await self._sending.send(envelope)
        if outcome.transaction != envelope_digest(envelope):
            raise IntegrityError(
                "the chain server answered about another call: do not trust this server; look "
                "whether the call took effect before you repeat it"
            )
        return inclusion(outcome)


class _Seen:
    """The newest block that a server named."""

    def __init__(self) -> None:
        self.head = RemoteHead(0, Digest(bytes(32)), 0)

    def outcome(self, _transaction: Digest) -> Outcome | None:
        """Nothing is known without asking."""
        return None


async def _asked(peer: ChainPeer, node: NodeId) -> RemoteNode | XdbError:
    try:
        return await peer.node(node)
    except XdbError as error:
        return error


def _worst(answers: Sequence[object]) -> XdbError:
    errors = [answer for answer in answers if isinstance(answer, XdbError)]
    if len(errors) == 1 and not isinstance(errors[0], UnavailableError):
        return errors[0]
    return UnavailableError(
        f"no chain server answers ({'; '.join(map(str, errors))}): start them, or correct "
        "chain.servers"
    )
