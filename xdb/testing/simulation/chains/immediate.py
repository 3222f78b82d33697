"""The plainest chain: every call is a block at once, and everybody sees it."""

from xdb.core.rules import Reader
from xdb.model.calls import Call
from xdb.model.ids import Address, Deployment
from xdb.model.registry import Parameters
from xdb.node.backend import Backend
from xdb.ports.blockchain import Head
from xdb.ports.clock import Clock
from xdb.testing.chain import MemoryChain
from xdb.testing.simulation.backend import MemoryBackend

_LONG = 86400.0


class ImmediateChain:
    """`Chain` over a `MemoryChain`. Nothing goes wrong here; blocks may be final late."""

    def __init__(self, memory: MemoryChain, clock: Clock) -> None:
        self.memory = memory
        self._clock = clock
        memory.tick()

    @property
    def deployment(self) -> Deployment:
        """See `Chain`."""
        return self.memory.deployment

    @property
    def parameters(self) -> Parameters:
        """See `Chain`."""
        return self.memory.parameters

    @property
    def time(self) -> int:
        """See `Chain`."""
        return self.memory.time

    @property
    def head(self) -> Head:
        """See `Chain`."""
        return self.memory.head

    @property
    def state(self) -> Reader:
        """See `Chain`."""
        return self.memory.state

    def call(self, sender: Address, call: Call) -> None:
        """See `Chain`: in a block of its own."""
        self.memory.call(sender, call)

    def tick(self) -> None:
        """See `Chain`: at once."""
        self.memory.tick()

    def backend(self, name: str, clock: Clock) -> Backend:  # noqa: ARG002  # all nodes see the same
        """See `Chain`."""
        return MemoryBackend(self.memory, clock)

    async def run(self) -> None:
        """See `Chain`: whoever calls makes the block."""
        while True:
            await self._clock.sleep(_LONG)

    def reorganise(self, depth: int) -> int:  # noqa: ARG002  # as the protocol has it
        """See `Chain`: never."""
        return 0

    def drop(self) -> int:
        """See `Chain`: nothing waits."""
        return 0

    def stall(self, name: str, seconds: float) -> bool:  # noqa: ARG002  # as the protocol has it
        """See `Chain`: never."""
        return False

    def cut(self, name: str, seconds: float) -> bool:  # noqa: ARG002  # as the protocol has it
        """See `Chain`: never."""
        return False

    def forget(self, name: str) -> None:
        """See `Chain`: nothing is kept."""

    def heal(self) -> None:
        """See `Chain`: nothing to do."""
