import pytest

from xdb.config.ethereum import EthereumAccess
from xdb.config.sections import ChainAccess
from xdb.config.units import parse_amount
from xdb.errors import ConfigError

ACCESS = {
    "chain_id": 11155111,
    "contract": "0x" + "ab" * 20,
    "code_hash": "0x" + "cd" * 32,
    "endpoints": ("http://127.0.0.1:8545", "https://ethereum.example.org/key"),
}


def access(**changes):
    return ChainAccess(backend="ethereum", ethereum=EthereumAccess(**(ACCESS | changes)))


def test_what_is_signed_names_chain_and_contract():
    deployment = access().ethereum.deployment
    assert int.from_bytes(deployment.chain, "big") == 11155111
    assert deployment.contract == b"\xab" * 20
    assert access().ethereum.code == b"\xcd" * 32


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"chain_id": 0}, "chain_id is missing"),
        ({"contract": "0xab"}, "is not an identity"),
        ({"code_hash": ""}, "is not a code hash"),
        ({"endpoints": ()}, "endpoints is empty"),
        ({"endpoints": ("127.0.0.1:8545",)}, "no address"),
        ({"endpoints": ("ws://127.0.0.1",)}, "no address"),
    ],
)
def test_what_is_missing_is_told(changes, problem):
    with pytest.raises(ConfigError, match=problem):
        access(**changes)


def test_an_embedded_chain_needs_none_of_it(tmp_path):
    with pytest.raises(ConfigError, match="genesis is missing"):
        ChainAccess()
    ChainAccess(tmp_path, ("127.0.0.1:1#" + "00" * 32,))


def test_endpoints_with_keys_are_in_a_file(tmp_path):
    file = tmp_path / "endpoints"
    with pytest.raises(ConfigError, match="cannot be read"):
        access(endpoints_file=file).ethereum.urls()
    file.write_text("https://a.example/secret\n\nhttps://b.example\n")
    urls = access(endpoints=(), endpoints_file=file).ethereum.urls()
    assert urls == ("https://a.example/secret", "https://b.example")
    file.write_text("ftp://a.example/secret")
    with pytest.raises(ConfigError, match="no address") as told:
        access(endpoints_file=file).ethereum.urls()
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "wei"),
    [("1", 1), ("30 gwei", 30 * 10**9), ("0.05 ether", 5 * 10**16), ("0.1gwei", 10**8)],
)
def test_amounts_are_exact(text, wei):
    assert parse_amount(text) == wei


@pytest.mark.parametrize("text", ["", "gwei", "1 eth", "-1 gwei", "0.1 wei"])
def test_what_is_no_amount(text):
    with pytest.raises(ValueError, match=r"is not (an amount|a whole number)"):
        parse_amount(text)
