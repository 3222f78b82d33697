"""What a simulated world has of its chain."""

from typing import Protocol

from xdb.core.rules import Reader
from xdb.model.calls import Call
from xdb.model.ids import Address, Deployment
from xdb.model.registry import Parameters
from xdb.node.backend import Backend
from xdb.ports.blockchain import Head
from xdb.ports.clock import Clock


class Chain(Protocol):
    """One chain, seen from above. It is the world's: no crash of a node touches it.

    Faults that a personality does not know do nothing, and say so by their result.
    """

    @property
    def deployment(self) -> Deployment:
        """What all signatures name."""
        ...

    @property
    def parameters(self) -> Parameters:
        """Fixed at deployment."""
        ...

    @property
    def time(self) -> int:
        """Chain time of a block made now."""
        ...

    @property
    def head(self) -> Head:
        """The newest block of the chain as it is now, and the newest final one."""
        ...

    @property
    def state(self) -> Reader:
        """The registry as of the newest block."""
        ...

    def call(self, sender: Address, call: Call) -> None:
        """Sends an unsigned call of `sender`: for what the world itself does.

        It takes effect as soon as this chain lets it, and is kept until it is final. One
        that waits already is not sent twice, so it can be called until the effect shows.
        """
        ...

    def tick(self) -> None:
        """Time has passed: makes a block without calls, if the newest one is old enough."""
        ...

    def backend(self, name: str, clock: Clock) -> Backend:
        """The chain as the node of that name reaches it; the same way in each of its lives."""
        ...

    async def run(self) -> None:
        """Makes blocks until it is cancelled."""
        ...

    # ------------------------------------------------------------ faults

    def reorganise(self, depth: int) -> int:
        """Undoes up to so many of the newest blocks, never a final one; gives how many."""
        ...

    def drop(self) -> int:
        """Forgets all calls that wait for a block; gives how many."""
        ...

    def stall(self, name: str, seconds: float) -> bool:
        """A node's way to the chain stands still: it answers, and tells nothing new."""
        ...

    def cut(self, name: str, seconds: float) -> bool:
        """A node's way to the chain is gone: UnavailableError."""
        ...

    def forget(self, name: str) -> None:
        """A node has another disk: what it kept of calls under way is gone."""
        ...

    def heal(self) -> None:
        """Every node's way to the chain is as it should be, from now on: no more faults."""
        ...
