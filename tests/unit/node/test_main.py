"""Mistakes of an operator: one clear sentence, and whether starting again could help."""

import re
import socket

import pytest

from xdb.blockchain.embedded.genesis import load_genesis
from xdb.node import commands
from xdb.node.main import BUG, FAILED, MISCONFIGURED, main
from xdb.store.keystore import keystore_address
from xdb.store.lock import DirectoryLock
from xdb.testnet.create import Options, create
from xdb.testnet.layout import Layout


@pytest.fixture
def net(tmp_path):
    create(tmp_path / "net", Options(nodes=1, kv="sqlite"))
    return Layout(tmp_path / "net")


@pytest.fixture
def node(capsys):
    """Runs xdb-node; gives its exit code and what it said."""

    def run(*arguments):
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return caught.value.code, said.out + said.err

    return run


def replace(path, pattern, text):
    changed, count = re.subn(pattern, text, path.read_text(), flags=re.MULTILINE)
    assert count == 1
    path.write_text(changed)


@pytest.mark.parametrize("config", ["chain/chain.toml", "node-1/storage.toml", "owner/owner.toml"])
def test_check(net, node, config):
    path = net.directory / config
    code, said = node(path.stem, "--config", path, "--check")
    assert (code, said) == (0, f"{path}: configuration, genesis and keys are in order\n")


def test_missing_config(node, tmp_path):
    code, said = node("owner", "--config", tmp_path / "absent.toml")
    assert code == MISCONFIGURED
    assert said.startswith(f"xdb-node: {tmp_path / 'absent.toml'}: no such file")


def test_unknown_key(net, node):
    path = net.directory / "owner" / "owner.toml"
    replace(path, r"^slice_size", "slize_size")
    code, said = node("owner", "--config", path)
    assert code == MISCONFIGURED
    assert "slize_size: unknown key; did you mean 'slice_size'?" in said


def test_wrong_password(net, node):
    home = net.directory / "owner"
    (home / "owner.password").write_text("something else\n")
    code, said = node("owner", "--config", home / "owner.toml")
    assert code == FAILED
    assert f"wrong password or damaged file: {home / 'owner.json'}" in said


def test_keystore_that_others_can_read(net, node):
    home = net.directory / "owner"
    (home / "owner.json").chmod(0o644)
    code, said = node("owner", "--config", home / "owner.toml")
    assert code == MISCONFIGURED
    assert f"chmod 600 {home / 'owner.json'}" in said


def test_password_that_others_can_read(net, node):
    home = net.directory / "node-1"
    (home / "signer.password").chmod(0o640)
    code, said = node("storage", "--config", home / "storage.toml")
    assert code == MISCONFIGURED
    assert "others can read this password file" in said


def test_edited_genesis(net, node):
    replace(net.genesis, r"^epoch = \d+", "epoch = 1800")
    code, said = node("storage", "--config", net.directory / "node-1" / "storage.toml")
    assert code == MISCONFIGURED
    assert "it was edited" in said


def test_sequencer_key_of_another_chain(net, node, tmp_path):
    create(tmp_path / "other", Options(nodes=0))
    net.genesis.write_text((tmp_path / "other" / "genesis.toml").read_text())
    code, said = node("chain", "--config", net.directory / "chain" / "chain.toml")
    assert code == MISCONFIGURED
    assert "names the sequencer" in said


def test_identity_and_named_id_differ(net, node):
    path = net.directory / "node-1" / "storage.toml"
    replace(path, r"^\[node\]", f'[node]\nid = "{"ab" * 20}"')
    code, said = node("storage", "--config", path, "--check")
    assert code == MISCONFIGURED
    assert "correct one of them" in said


def test_port_in_use(net, node):
    path = net.directory / "chain" / "chain.toml"
    address = re.search(r'listen = "127.0.0.1:(\d+)"', path.read_text())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(address[1])))
        taken.listen()
        code, said = node("chain", "--config", path)
    assert code == MISCONFIGURED
    assert f"cannot listen on 127.0.0.1:{address[1]}" in said


def test_data_directory_in_use(net, node):
    lock = DirectoryLock(net.directory / "chain" / "data")
    code, said = node("chain", "--config", net.directory / "chain" / "chain.toml")
    lock.release()
    assert code == MISCONFIGURED
    assert "in use by another process" in said


def test_data_directory_of_another_node(net, node):
    data = net.directory / "chain" / "data"
    (data / "node.toml").write_text('format = 1\nrole = "storage"\nid = "x"\n')
    code, said = node("chain", "--config", net.directory / "chain" / "chain.toml")
    assert code == MISCONFIGURED
    assert "belongs to another node: its role is 'storage'" in said


def test_new_node_without_a_chain(net, node):
    code, said = node("storage", "--config", net.directory / "node-1" / "storage.toml")
    assert code == FAILED
    assert "no chain server answers, and this node never saw the chain" in said


def test_unknown_role(node):
    code, said = node("keeper")
    assert code == MISCONFIGURED
    assert "invalid choice: 'keeper'" in said


def test_version(node):
    code, said = node("--version")
    assert code == 0
    assert said.startswith("xdb-node ")


def test_bug_shows_its_trace(node, monkeypatch):
    def broken(_options):
        raise ZeroDivisionError("somewhere inside")

    monkeypatch.setattr(commands, "carry_out", broken)
    code, said = node("owner", "--config", "x.toml")
    assert code == BUG
    assert "ZeroDivisionError: somewhere inside" in said


def test_genesis(net, node, tmp_path):
    keystore, out = net.directory / "chain" / "sequencer.json", tmp_path / "genesis.toml"
    arguments = ("genesis", "--name", "mine", "--sequencer", keystore, "--out", out)
    code, said = node(*arguments, "--set", "epoch=30min", "--set", "leaves_per_epoch=5")
    made = load_genesis(out)
    assert code == 0
    assert made.deployment.chain.hex() in said
    assert (made.name, made.parameters.epoch, made.parameters.leaves_per_epoch) == ("mine", 1800, 5)
    assert made.sequencer == keystore_address(keystore)
    code, said = node(*arguments)
    assert code == MISCONFIGURED
    assert "is there already" in said


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("epoch", "write NAME=VALUE"),
        ("epoc=5", "unknown parameter; did you mean 'epoch'?"),
        ("beacons=5", "unknown parameter"),
        ("epoch=soon", "is not a duration"),
        ("retention=60", "is shorter than two epochs"),
    ],
)
def test_wrong_parameter(net, node, tmp_path, setting, expected):
    keystore, out = net.directory / "chain" / "sequencer.json", tmp_path / "genesis.toml"
    code, said = node(
        "genesis", "--name", "x", "--sequencer", keystore, "--out", out, "--set", setting
    )
    assert code == MISCONFIGURED
    assert expected in said
    assert not out.exists()
