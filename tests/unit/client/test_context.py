from dataclasses import replace

import pytest

from xdb.client.context import Context, find_context, read_context, write_context
from xdb.errors import ConfigError
from xdb.model.ids import Address, ChainId, Deployment, Digest
from xdb.model.registry import Endpoint

CONTEXT = Context(
    endpoint=Endpoint("127.0.0.1:7500", Digest(b"c" * 32)),
    owner=Address(b"o" * 20),
    deployment=Deployment(ChainId(b"d" * 32), Address(b"a" * 20)),
    keystore="replaced",
    password_file=None,
)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "context.toml"


@pytest.fixture
def context(tmp_path):
    return replace(CONTEXT, keystore=tmp_path / "keys" / 'ключ \\ "🔑".json')


def test_written_and_read(file, context):
    write_context(file, context)
    assert read_context(file) == context


def test_paths_are_relative_where_they_can_be(file, context, tmp_path):
    context = replace(context, password_file=tmp_path.parent / "password")
    write_context(file, context)
    assert 'keystore = "keys/' in file.read_text()
    assert f'password_file = "{tmp_path.parent}/password"' in file.read_text()
    assert read_context(file) == context


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('owner = "127.0.0.1"', "write host:port#hash"),
        (f'owner = "127.0.0.1:99999#{"c" * 64}"', "write host:port#hash"),
        ('owner = "127.0.0.1:7500#abc"', "no hash of a certificate"),
        ('identity = "xyz"', "no identity: it takes 40 hexadecimal digits"),
        ('chain = "00"', "no chain: it takes 64"),
        ("chain = 5", "chain must be a text"),
        ('keystore = ""', "keystore must be a text"),
        ("", "keystore is missing"),
        ('user = "me"', "unknown key 'user': there are owner, identity"),
        ("keystore =", "not a readable context file"),
    ],
)
def test_mistakes_are_named(file, context, line, problem):
    write_context(file, context)
    key = line.split(" ", maxsplit=1)[0] or "keystore"
    lines = [text for text in file.read_text().splitlines() if not text.startswith(f"{key} =")]
    file.write_text("\n".join([*lines, line]))
    with pytest.raises(ConfigError, match=problem) as raised:
        read_context(file)
    assert str(file) in str(raised.value)


def test_no_file(file):
    with pytest.raises(ConfigError, match="testnet up"):
        read_context(file)
    with pytest.raises(ConfigError, match="not a readable context file"):
        read_context(file.parent)


def test_which_context_is_found(tmp_path):
    environment = {"HOME": str(tmp_path)}
    with pytest.raises(ConfigError, match="xdb-cli testnet up"):
        find_context(environment)
    local = tmp_path / ".local/state/xdb/testnet/context.toml"
    local.parent.mkdir(parents=True)
    local.touch()
    assert find_context(environment) == local
    own = tmp_path / ".config/xdb/context.toml"
    own.parent.mkdir(parents=True)
    own.touch()
    assert find_context(environment) == own
    assert find_context({**environment, "XDG_CONFIG_HOME": str(tmp_path / "none")}) == local
    named = {**environment, "XDB_CONTEXT": str(tmp_path / "elsewhere.toml")}
    assert find_context(named) == tmp_path / "elsewhere.toml"
