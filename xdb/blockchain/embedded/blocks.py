"""Blocks of the embedded chain; docs/chain.md has their bytes."""

from collections.abc import Iterable
from dataclasses import dataclass

from xdb.core import merkle
from xdb.core.encoding import decode, encode
from xdb.core.signing import digest_of, recover
from xdb.errors import IntegrityError
from xdb.model.calls import Envelope
from xdb.model.ids import Address, ChainId, Deployment, Digest, Signature
from xdb.model.refusal import Refusal

VERSION = 1
BLOCK_DOMAIN = "xdb/v1/block"
TRANSACTION_DOMAIN = "xdb/v1/transaction"
WRITES_DOMAIN = "xdb/v1/writes"
NO_TRANSACTIONS = Digest(bytes(32))


@dataclass(frozen=True, slots=True)
class Transaction:
    """An envelope and what became of it: NONE when it took effect."""

    envelope: Envelope
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Header:
    """What the sequencer signs. The first block is number 1, its `previous` the chain id."""

    version: int
    chain: ChainId
    number: int
    previous: Digest
    time: int
    transactions: Digest
    writes: Digest

    @property
    def id(self) -> Digest:
        """The block's id."""
        return digest_of(BLOCK_DOMAIN, self)


@dataclass(frozen=True, slots=True)
class Block:
    """One block."""

    header: Header
    signature: Signature
    transactions: tuple[Transaction, ...]


@dataclass(frozen=True, slots=True)
class Write:
    """A value that a block leaves under a key, or None where it leaves none."""

    key: bytes
    value: bytes | None


@dataclass(frozen=True, slots=True)
class _Writes:
    writes: tuple[Write, ...]


def transactions_root(transactions: Iterable[Transaction]) -> Digest:
    """Merkle root over the transactions; 32 zero bytes over none."""
    leaves = [digest_of(TRANSACTION_DOMAIN, transaction) for transaction in transactions]
    return merkle.root(leaves) if leaves else NO_TRANSACTIONS


def writes_hash(writes: Iterable[tuple[bytes, bytes | None]]) -> Digest:
    """The hash of a block's writes, in order of their keys."""
    return digest_of(WRITES_DOMAIN, _Writes(tuple(Write(*write) for write in sorted(writes))))


def write_block(block: Block) -> bytes:
    """A block's bytes as they are kept and sent."""
    return encode(block)


def read_block(data: bytes, deployment: Deployment, sequencer: Address) -> Block:
    """A block that the sequencer of this chain signed, whatever it says.

    IntegrityError when it is none: whoever sent it is to blame, not the chain.
    """
    try:
        block = decode(Block, data)
    except ValueError as error:
        raise IntegrityError(f"not a block ({error}): ask another chain server") from error
    header = block.header
    if header.version != VERSION:
        raise IntegrityError(
            f"block {header.number} has version {header.version}, this program knows only "
            f"version {VERSION}: update it"
        )
    if header.chain != deployment.chain:
        raise IntegrityError(
            f"block {header.number} belongs to chain {header.chain.hex()}, this is chain "
            f"{deployment.chain.hex()}: name a server of this chain"
        )
    if recover(header.id, block.signature) != sequencer:
        raise IntegrityError(
            f"block {header.number} is not signed by the sequencer {sequencer.hex()}: "
            "ask another chain server"
        )
    if transactions_root(block.transactions) != header.transactions:
        raise IntegrityError(
            f"block {header.number} does not have the transactions that its header names: "
            "ask another chain server"
        )
    return block
