"""An epoch's seed is the prevrandao of its first block, shown by that block's header.

The header is written as the chain hashes it (Ethereum yellow paper 4.4.3, with the fields
that EIP-1559, 4895, 4844, 4788 and 7685 added), and compared with its hash before it is sent.
"""

from xdb.blockchain.ethereum.quantities import field, number_of, octets_of
from xdb.blockchain.ethereum.transactions import keccak256, number, rlp
from xdb.errors import IntegrityError

_OCTETS = "octets"
_NUMBER = "number"
_FIELDS = (
    ("parentHash", _OCTETS),
    ("sha3Uncles", _OCTETS),
    ("miner", _OCTETS),
    ("stateRoot", _OCTETS),
    ("transactionsRoot", _OCTETS),
    ("receiptsRoot", _OCTETS),
    ("logsBloom", _OCTETS),
    ("difficulty", _NUMBER),
    ("number", _NUMBER),
    ("gasLimit", _NUMBER),
    ("gasUsed", _NUMBER),
    ("timestamp", _NUMBER),
    ("extraData", _OCTETS),
    ("mixHash", _OCTETS),
    ("nonce", _OCTETS),
)
_ADDED = (
    ("baseFeePerGas", _NUMBER),
    ("withdrawalsRoot", _OCTETS),
    ("blobGasUsed", _NUMBER),
    ("excessBlobGas", _NUMBER),
    ("parentBeaconBlockRoot", _OCTETS),
    ("requestsHash", _OCTETS),
)
"""In the order in which they were added: a block has the first few of them."""


def header_bytes(block: object) -> bytes:
    """The header of a block that an endpoint sent; IntegrityError when it is not what it says."""
    fields = [_field(block, *named) for named in _FIELDS]
    added = [named for named in _ADDED if isinstance(block, dict) and named[0] in block]
    header = rlp(fields + [_field(block, *named) for named in added])
    said = octets_of(field(block, "hash"), "a block's hash", 32)
    if keccak256(header) != said:
        raise IntegrityError(
            f"the header of block 0x{said.hex()} does not have this hash: use another endpoint, "
            "or a version of this program that knows the fields of new blocks"
        )
    return header


def _field(block: object, name: str, kind: str) -> bytes:
    value = field(block, name)
    if kind == _NUMBER:
        return number(number_of(value, name))
    return octets_of(value, name)
