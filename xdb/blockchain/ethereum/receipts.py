"""Receipts as endpoints tell them."""

from dataclasses import dataclass

from xdb.blockchain.ethereum.quantities import field, number_of, octets_of
from xdb.model.ids import Digest


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where a transaction is, whether it took effect, and what it cost in wei."""

    transaction: Digest
    block: Digest
    number: int
    succeeded: bool
    cost: int
    gas: int


def read_receipt(value: object) -> Receipt | None:
    """What an endpoint knows of a transaction: nothing, or where it is."""
    if value is None:
        return None
    gas = number_of(field(value, "gasUsed"), "used gas")
    price = number_of(field(value, "effectiveGasPrice"), "a gas price")
    return Receipt(
        transaction=Digest(octets_of(field(value, "transactionHash"), "a transaction's hash", 32)),
        block=Digest(octets_of(field(value, "blockHash"), "a block's hash", 32)),
        number=number_of(field(value, "blockNumber"), "a block's number"),
        succeeded=number_of(field(value, "status"), "a status") == 1,
        cost=gas * price,
        gas=gas,
    )
