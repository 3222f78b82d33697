"""Opens a ledger: makes an empty one, or checks the one that is there."""

from xdb.blockchain.embedded.blocks import Block, read_block
from xdb.blockchain.embedded.checking import contradiction
from xdb.blockchain.embedded.genesis import Genesis
from xdb.blockchain.embedded.ledger import Ledger
from xdb.blockchain.embedded.records import (
    BLOCKS,
    EVIDENCE,
    FORMAT,
    FORMAT_KEY,
    GENESIS_KEY,
    HEAD_KEY,
    HeadRecord,
    numbered,
)
from xdb.core.encoding import decode, encode
from xdb.errors import ConfigError, CorruptFileError, IntegrityError
from xdb.model.ids import Digest
from xdb.ports.compute import Compute
from xdb.ports.kv import KeyValue

CHECKED_BLOCKS = 64
CHECKED_BYTES = 8 << 20
REMEDY = (
    "on a follower remove the chain's directory, it is fetched again; if this is the sequencer, "
    "promote a follower that has all blocks"
)


async def open_ledger(
    kv: KeyValue, genesis: Genesis, compute: Compute, *, sync: bool = True
) -> Ledger:
    """The ledger in `kv`. Its newest blocks are read and checked.

    ConfigError when it belongs to another chain or version, CorruptFileError when the head
    does not lead back through whole blocks.
    """
    if kv.get(FORMAT_KEY) is None:
        await _make(kv, genesis)
    _check_identity(kv, genesis)
    head = _read_head(kv)
    _check_tail(kv, genesis, head)
    return Ledger(kv, genesis, head, compute, sync=sync, contradiction=_read_contradiction(kv))


async def _make(kv: KeyValue, genesis: Genesis) -> None:
    if next(kv.scan(b""), None) is not None:
        raise ConfigError(
            "the key-value store for the chain holds something else: name an empty directory"
        )
    head = HeadRecord(0, Digest(genesis.deployment.chain), genesis.time)
    await kv.write(
        {FORMAT_KEY: encode(FORMAT), GENESIS_KEY: encode(genesis), HEAD_KEY: encode(head)},
        sync=True,
    )


def _check_identity(kv: KeyValue, genesis: Genesis) -> None:
    if kv.get(FORMAT_KEY) != encode(FORMAT):
        raise ConfigError(
            "the ledger was written by another version of this program: use that version, or "
            "start with an empty directory"
        )
    if kv.get(GENESIS_KEY) != encode(genesis):
        raise ConfigError(
            f"the ledger belongs to another chain than {genesis.deployment.chain.hex()} "
            f"({genesis.name}): name the genesis it was made with, or another directory"
        )


def _read_head(kv: KeyValue) -> HeadRecord:
    data = kv.get(HEAD_KEY)
    if data is None:
        raise CorruptFileError(f"the ledger has lost its head: {REMEDY}")
    try:
        return decode(HeadRecord, data)
    except ValueError as error:
        raise CorruptFileError(f"the ledger's head is damaged ({error}): {REMEDY}") from error


def _check_tail(kv: KeyValue, genesis: Genesis, head: HeadRecord) -> None:
    expected, read = head.block, 0
    for height in range(head.height, max(0, head.height - CHECKED_BLOCKS), -1):
        data = kv.get(numbered(BLOCKS, height))
        if data is None:
            raise CorruptFileError(f"block {height} of the ledger is missing: {REMEDY}")
        try:
            header = read_block(data, genesis.deployment, genesis.sequencer).header
        except IntegrityError as error:
            raise CorruptFileError(
                f"block {height} of the ledger is damaged ({error}): {REMEDY}"
            ) from error
        if header.id != expected or header.number != height:
            raise CorruptFileError(
                f"block {height} of the ledger is not the one that the next names: {REMEDY}"
            )
        expected = header.previous
        read += len(data)
        if read > CHECKED_BYTES:
            return
    if head.height <= CHECKED_BLOCKS and expected != Digest(genesis.deployment.chain):
        raise CorruptFileError(f"the ledger's first block does not follow the genesis: {REMEDY}")


def _read_contradiction(kv: KeyValue) -> str | None:
    for key, _ in kv.scan(EVIDENCE):
        height = int.from_bytes(key[1:9], "big")
        ours = kv.get(numbered(BLOCKS, height))
        if ours is None:
            raise CorruptFileError(f"block {height} of the ledger is missing: {REMEDY}")
        return contradiction(height, decode(Block, ours).header.id, Digest(key[9:]))
    return None
