"""The owner node as a client sees it: who it is, and one call to it."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

from google.protobuf.message import Message

from xdb.client.messages import understand
from xdb.client.retry import again
from xdb.peer.calls import Party, read
from xdb.ports.clock import Clock
from xdb.ports.entropy import Entropy

M = TypeVar("M", bound=Message)
R = TypeVar("R")

FILES = "/xdb.v1.FileService/"
NAMESPACES = "/xdb.v1.NamespaceService/"
NODES = "/xdb.v1.NodeService/"
HEALTH = "/xdb.v1.HealthService/"
MIGRATIONS = "/xdb.v1.MigrationService/"
AUDITS = "/xdb.v1.AuditService/"


@dataclass(frozen=True, slots=True)
class Owner:
    """Calls to the owner node. What changes something is sent once, the rest up to thrice."""

    party: Party
    clock: Clock
    entropy: Entropy
    patience: float  # seconds for a call that changes something: it waits for the chain

    async def ask(
        self, method: str, request: Message, reply: type[M], convert: Callable[[M], R]
    ) -> R:
        """One answer to a question."""
        within = self.party.connections.config.control
        answer = await again(self.clock, lambda: self.party.ask(method, request, reply, within))
        return understand(convert, answer)

    async def tell(
        self,
        method: str,
        request: Message,
        reply: type[M],
        convert: Callable[[M], R],
        patience: float | None = None,
    ) -> R:
        """One change. After TimeoutExpiredError it may have taken effect or not."""
        answer = await self.party.ask(method, request, reply, patience or self.patience)
        return understand(convert, answer)

    async def follow(
        self, method: str, request: Message, reply: type[M], convert: Callable[[M], R]
    ) -> AsyncGenerator[R, None]:
        """Answers as they come."""
        async with aclosing(self.party.receive(method, request, None)) as messages:
            async for message in messages:
                yield understand(convert, read(self.party.whom, message, reply))
