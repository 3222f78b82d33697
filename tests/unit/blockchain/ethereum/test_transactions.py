import pytest
from eth_account import Account

from xdb.blockchain.ethereum.signatures import compact_of, whole_of
from xdb.blockchain.ethereum.transactions import Draft, keccak256, rlp, sign_transaction
from xdb.core.signing import sign
from xdb.testing.ethereum import unrlp
from xdb.testing.keys import NamedKey

KEY = NamedKey("sender")


@pytest.mark.parametrize(
    "octets", [b"", b"\x00", b"\x7f", b"\x80", b"a" * 55, b"a" * 56, b"a" * 70_000]
)
@pytest.mark.parametrize("nonce", [0, 1, 127, 128, 2**40])
def test_bytes_and_hash_are_those_of_another_implementation(octets, nonce):
    draft = Draft(11155111, nonce, 10**9, 3 * 10**10, 210_000, KEY.address, octets)
    signed = sign_transaction(draft, KEY)
    theirs = Account.sign_transaction(
        {
            "type": 2,
            "chainId": draft.chain,
            "nonce": nonce,
            "maxPriorityFeePerGas": draft.tip,
            "maxFeePerGas": draft.fee,
            "gas": draft.gas,
            "to": draft.to,
            "value": 0,
            "data": octets,
        },
        KEY.private_key,
    )
    assert signed.raw == bytes(theirs.raw_transaction)
    assert signed.hash == bytes(theirs.hash)
    assert Account.recover_transaction(signed.raw).lower() == "0x" + KEY.address.hex()


def test_nested_lists_are_read_back():
    item = [b"", b"\x01", [b"a" * 60, [b"x"] * 30], b"\x80"]
    assert unrlp(rlp(item)) == item


def test_compact_signatures_are_read_back():
    made = [sign(KEY.private_key, keccak256(bytes((number,)))) for number in range(20)]
    assert {signature[64] for signature in made} == {0, 1}
    assert [whole_of(*compact_of(signature)) for signature in made] == made
