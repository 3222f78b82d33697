"""What calls to a registry cost in gas, from the receipts of a chain that is short."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from xdb.blockchain.ethereum.http import HttpRpc
from xdb.blockchain.ethereum.interface import METHODS
from xdb.blockchain.ethereum.quantities import number_of, octets_of, quantity
from xdb.blockchain.ethereum.receipts import Receipt, read_receipt
from xdb.model.ids import Address

DEPLOYMENT = "deployment"
_NAMES = {method.selector: method.name for method in METHODS}
_ANSWER = 20.0


@dataclass(frozen=True, slots=True)
class Spent:
    """The transactions of one kind."""

    name: str  # of the registry's function, or the deployment
    calls: int
    failed: int  # of these
    gas: int  # of all
    least: int
    most: int

    @property
    def mean(self) -> int:
        """Gas of one."""
        return self.gas // self.calls


def spent(url: str, registry: Address) -> list[Spent]:
    """All transactions to the registry in all blocks, by kind; the kind that cost most first."""
    return asyncio.run(_spent(url, registry))


async def _spent(url: str, registry: Address) -> list[Spent]:
    rpc = HttpRpc(url, _ANSWER)
    found: defaultdict[str, list[Receipt]] = defaultdict(list)
    try:
        async for kind, receipt in _receipts(rpc, registry):
            found[kind].append(receipt)
    finally:
        await rpc.close()
    rows = [_row(kind, receipts) for kind, receipts in found.items()]
    return sorted(rows, key=lambda row: row.gas, reverse=True)


async def _receipts(rpc: HttpRpc, registry: Address) -> AsyncIterator[tuple[str, Receipt]]:
    head = number_of(await rpc.call("eth_blockNumber"), "a block's number")
    for number in range(head + 1):
        block = await rpc.call("eth_getBlockByNumber", quantity(number), True)  # noqa: FBT003  # of the method
        for transaction in block["transactions"]:
            kind = kind_of(transaction, registry)
            receipt = read_receipt(await rpc.call("eth_getTransactionReceipt", transaction["hash"]))
            if kind and receipt is not None:
                yield kind, receipt


def kind_of(transaction: Any, registry: Address) -> str:  # noqa: ANN401  # JSON
    """Empty for what does not concern the registry."""
    if transaction["to"] is None:
        return DEPLOYMENT
    if octets_of(transaction["to"], "an address") != registry:
        return ""
    octets = octets_of(transaction["input"], "calldata")
    return _NAMES.get(octets[:4], f"0x{octets[:4].hex()}")


def _row(kind: str, receipts: list[Receipt]) -> Spent:
    used = [receipt.gas for receipt in receipts]
    failed = sum(not receipt.succeeded for receipt in receipts)
    return Spent(kind, len(used), failed, sum(used), min(used), max(used))
