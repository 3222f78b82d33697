from hashlib import sha256

import pytest

from xdb.blockchain.embedded.blocks import Transaction, read_block, transactions_root, writes_hash
from xdb.errors import IntegrityError
from xdb.model.ids import Digest
from xdb.model.refusal import Refusal
from xdb.testing.embedded import block, envelope, genesis
from xdb.testing.keys import NamedKey
from xdb.testing.registry import START, node_call

GENESIS = genesis()
NODE = NamedKey("node")


def sealed(*refusals):
    transactions = tuple(
        Transaction(envelope(NODE, node_call(NODE), GENESIS, f"{place}", START), refusal)
        for place, refusal in enumerate(refusals)
    )
    return block(GENESIS, 7, Digest(bytes(32)), transactions=transactions)


def read(data, start=GENESIS):
    return read_block(data, start.deployment, start.sequencer)


def test_the_bytes_of_a_block():
    """Another implementation must come to the same."""
    data = sealed(Refusal.NONE, Refusal.NODE_EXISTS)
    header = read(data).header
    assert data[:8] == (1).to_bytes(8, "big")
    assert data[8:40] == GENESIS.deployment.chain
    assert data[40:48] == (7).to_bytes(8, "big")
    assert data[48:80] == bytes(32)
    assert data[80:88] == START.to_bytes(8, "big")
    assert data[88:120] == header.transactions
    assert data[120:152] == header.writes
    domain = b"xdb/v1/block"
    assert header.id == sha256(len(domain).to_bytes(4, "big") + domain + data[:152]).digest()
    assert data[217:221] == (2).to_bytes(4, "big")


def test_the_hash_of_writes_is_over_sorted_pairs():
    domain = b"xdb/v1/writes"
    content = (
        (2).to_bytes(4, "big")
        + (1).to_bytes(4, "big") + b"a" + b"\0"
        + (1).to_bytes(4, "big") + b"b" + b"\1" + (2).to_bytes(4, "big") + b"xy"
    )  # fmt: skip
    expected = sha256(len(domain).to_bytes(4, "big") + domain + content).digest()
    assert writes_hash([(b"b", b"xy"), (b"a", None)]) == expected


def test_no_transactions_have_a_root():
    assert transactions_root(()) == bytes(32)


def test_the_refusal_is_part_of_the_transaction():
    assert read(sealed(Refusal.NONE)).header.id != read(sealed(Refusal.NODE_EXISTS)).header.id


def test_a_changed_byte_anywhere_is_noticed():
    data = sealed(Refusal.NONE)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1
        with pytest.raises(IntegrityError):
            read(bytes(changed))


def test_cut_or_longer_is_no_block():
    data = sealed(Refusal.NONE)
    for wrong in (b"", data[:-1], data + b"\0", data[:100]):
        with pytest.raises(IntegrityError, match="not a block"):
            read(wrong)


def test_a_block_of_another_chain_or_signer_is_named_as_such():
    data = sealed()
    with pytest.raises(IntegrityError, match="belongs to chain"):
        read(data, genesis("other"))
    foreign = block(GENESIS, 1, Digest(bytes(32)), key=NamedKey("thief"))
    with pytest.raises(IntegrityError, match="not signed by the sequencer"):
        read(foreign)
