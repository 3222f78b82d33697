"""What endpoints say of prices, nonces, balances and transactions."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low

from xdb.blockchain.ethereum.broadcast import Taken, best, meaning
from xdb.blockchain.ethereum.endpoint import Endpoint
from xdb.blockchain.ethereum.endpoints import Endpoints
from xdb.blockchain.ethereum.fees import Market
from xdb.blockchain.ethereum.headers import Header
from xdb.blockchain.ethereum.quantities import data, field, number_of, quantity
from xdb.blockchain.ethereum.receipts import Receipt, read_receipt
from xdb.blockchain.ethereum.rpc import RpcError
from xdb.errors import XdbError
from xdb.model.ids import Address, Digest

_BLOCKS = 5
_SHARE = 50.0


@dataclass(frozen=True, slots=True)
class AccountView:
    """The chain as one key that sends needs it. UnavailableError without enough answers."""

    endpoints: Endpoints
    address: Address

    @property
    def head(self) -> Header:
        """The newest block."""
        return self.endpoints.head

    async def market(self) -> Market:
        """Prices now. A tip that one endpoint makes up is kept within bounds by the fee policy."""
        tips = await self.endpoints.all(usual_tip)
        known = [tip for tip in tips if isinstance(tip, int)]
        return Market(self.head.base_fee, median_low(known) if known else 0)

    async def next_nonce(self, block: int) -> int:
        """How many transactions of the key the chain has taken up to a block."""
        return await self.endpoints.agreed(lambda endpoint: self._count(endpoint, quantity(block)))

    async def pending_nonce(self) -> int:
        """The same with what waits for a block; the lowest that an endpoint names."""
        counts = await self.endpoints.all(lambda endpoint: self._count(endpoint, "pending"))
        return min((count for count in counts if isinstance(count, int)), default=0)

    async def balance(self) -> int:
        """Wei of the key at the newest block."""
        at = quantity(self.head.number)
        found = await self.endpoints.ask("eth_getBalance", data(self.address), at)
        return number_of(found, "a balance")

    async def receipt(self, transactions: Sequence[Digest]) -> Receipt | None:
        """Where one of the transactions is, by enough endpoints; None when they know none."""

        async def known(endpoint: Endpoint) -> Receipt | None:
            for transaction in reversed(transactions):
                found = await endpoint.call("eth_getTransactionReceipt", data(transaction))
                receipt = read_receipt(found)
                if receipt is not None:
                    return receipt
            return None

        return await self.endpoints.agreed(known)

    async def broadcast(self, raw: bytes) -> tuple[Taken, str]:
        """Sends a transaction to all endpoints; gives the best answer, and their words."""

        async def send(endpoint: Endpoint) -> Taken:
            try:
                await endpoint.call("eth_sendRawTransaction", data(raw))
            except RpcError as error:
                words.append(f"{endpoint.name}: {error}")
                return meaning(error.message)
            return Taken.YES

        words: list[str] = []
        answers = await self.endpoints.all(send)
        words += [str(answer) for answer in answers if isinstance(answer, XdbError)]
        taken = best(answer for answer in answers if isinstance(answer, Taken))
        return taken, "; ".join(words)

    async def _count(self, endpoint: Endpoint, block: str) -> int:
        count = await endpoint.call("eth_getTransactionCount", data(self.address), block)
        return number_of(count, "a nonce")


async def usual_tip(endpoint: Endpoint) -> int:
    """The tip that was usual in the newest blocks, in wei."""
    history = await endpoint.call("eth_feeHistory", quantity(_BLOCKS), "latest", [_SHARE])
    rewards = field(history, "reward") or []
    tips = [number_of(block[0], "a tip") for block in rewards if block]
    return median_low(tips) if tips else 0
