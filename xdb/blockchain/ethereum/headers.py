"""Block headers as endpoints tell them."""

from dataclasses import dataclass

from xdb.blockchain.ethereum.quantities import field, number_of, octets_of
from xdb.model.ids import Digest


@dataclass(frozen=True, slots=True)
class Header:
    """What the backend needs of one. `base_fee` in wei."""

    number: int
    hash: Digest
    parent: Digest
    time: int
    base_fee: int


def read_header(block: object) -> Header:
    """The header in a block that an endpoint sent; IntegrityError when it is none."""
    return Header(
        number=number_of(field(block, "number"), "a block's number"),
        hash=Digest(octets_of(field(block, "hash"), "a block's hash", 32)),
        parent=Digest(octets_of(field(block, "parentHash"), "a parent's hash", 32)),
        time=number_of(field(block, "timestamp"), "a block's time"),
        base_fee=number_of(field(block, "baseFeePerGas"), "a base fee"),
    )
