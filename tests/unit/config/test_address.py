import pytest

from xdb.config.address import endpoint_text, parse_endpoint, parse_identity, split_address
from xdb.config.sections import ChainAccess, ServerConfig
from xdb.errors import ConfigError

HASH = "ab" * 32


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("127.0.0.1:7400", ("127.0.0.1", 7400)),
        ("node.example.org:1", ("node.example.org", 1)),
        ("[::1]:7400", ("::1", 7400)),
    ],
)
def test_address(text, pair):
    assert split_address(text) == pair


@pytest.mark.parametrize("text", ["", "host", ":1", "host:", "host:x", "host:65536", "::1:7400"])
def test_what_is_no_address(text):
    with pytest.raises(ConfigError):
        split_address(text)


def test_endpoint_round_trip():
    text = f"127.0.0.1:7400#{HASH}"
    assert endpoint_text(parse_endpoint(text)) == text


@pytest.mark.parametrize("text", ["127.0.0.1:7400", "127.0.0.1:7400#", "x#" + HASH, "h:1#abc"])
def test_what_is_no_endpoint(text):
    with pytest.raises(ConfigError):
        parse_endpoint(text)


def test_identity():
    assert parse_identity("0x" + "01" * 20) == parse_identity("01" * 20) == b"\1" * 20
    with pytest.raises(ConfigError, match="40 hexadecimal digits"):
        parse_identity("01" * 19)


def test_advertised_address_is_the_listened_one_unless_said():
    assert ServerConfig("127.0.0.1:1").address == "127.0.0.1:1"
    assert ServerConfig("0.0.0.0:1", "a.example.org:2").address == "a.example.org:2"


@pytest.mark.parametrize("listen", ["0.0.0.0:1", "[::]:1", "127.0.0.1:0"])
def test_what_nobody_could_reach(listen):
    with pytest.raises(ConfigError, match="others cannot reach"):
        ServerConfig(listen)


def test_chain_servers_are_needed(tmp_path):
    with pytest.raises(ConfigError, match="at least one chain server"):
        ChainAccess(tmp_path, ())
