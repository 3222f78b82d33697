"""One endpoint, asked within its time."""

from dataclasses import dataclass
from typing import Any

from xdb.blockchain.ethereum.headers import Header, read_header
from xdb.blockchain.ethereum.quantities import number_of, quantity
from xdb.blockchain.ethereum.rpc import Rpc
from xdb.blockchain.waiting import within
from xdb.errors import TimeoutExpiredError, UnavailableError
from xdb.ports.clock import Clock


@dataclass(frozen=True, slots=True)
class Look:
    """What an endpoint takes for the newest block, and for the newest final one."""

    head: Header
    final: Header


@dataclass(frozen=True, slots=True, eq=False)
class Endpoint:
    """An endpoint, how long it may take, and which it is of those with its name."""

    rpc: Rpc
    clock: Clock
    answer: float
    number: int = 1

    @property
    def name(self) -> str:
        """How people are told of it."""
        return self.rpc.name if self.number == 1 else f"{self.rpc.name} ({self.number})"

    async def call(self, method: str, *parameters: object) -> Any:  # noqa: ANN401  # JSON
        """The result. See `Rpc` for errors."""
        try:
            return await within(self.clock, self.answer, self.rpc.call(method, *parameters))
        except TimeoutExpiredError as error:
            raise UnavailableError(
                f"{self.name} gives no answer to {method} within {self.answer:g} s"
            ) from error

    async def chain(self) -> int:
        """The number of the chain it is on."""
        return number_of(await self.call("eth_chainId"), "a chain id")

    async def header(self, block: int | str) -> Header | None:
        """A block by its number or tag; None when the endpoint does not have it."""
        where = quantity(block) if isinstance(block, int) else block
        found = await self.call("eth_getBlockByNumber", where, False)  # noqa: FBT003  # of the method
        return None if found is None else read_header(found)

    async def look(self) -> Look:
        """Its newest blocks."""
        head, final = await self.header("latest"), await self.header("finalized")
        if head is None or final is None:
            raise UnavailableError(f"{self.name} has no finalised block yet: let it catch up")
        return Look(head, final)
