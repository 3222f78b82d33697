"""Verbs of `xdb-cli chain` without a chain; tests/e2e/test_ethereum_testnet.py has one."""

import pytest

from xdb.blockchain.embedded.genesis import load_genesis
from xdb.testnet.create import Options, create
from xdb.testnet.layout import Layout

TO = "0x" + "ab" * 20


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    directory = tmp_path_factory.mktemp("testnet") / "net"
    create(directory, Options(nodes=1, epoch=40))
    return Layout(directory)


def test_parameters_of_an_embedded_chain(shell, net):
    found = shell("chain", "params", "--context", net.context, "--json").json
    genesis = load_genesis(net.genesis).parameters
    assert found["epoch"] == genesis.epoch == 40
    assert found["beacons"] == [genesis.beacons[0].hex()]
    assert "epoch_blocks" not in found
    out = shell("chain", "params", "node-1", "--context", net.context).out
    assert f"start               {genesis.start}\n" in out
    assert "epoch               40 s\n" in out
    config = net.home("node-1") / "storage.toml"
    assert shell("chain", "params", "--config", config, "--json").json == found


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["status", "node-1"], (9, "names an embedded chain, which has no endpoints")),
        (["status", "chain"], (9, "chain is no owner node")),
        (["params", "node-9"], (9, "there are chain, node-1, owner")),
        (["params", "owner", "--config", "owner.toml"], (2, "not both")),
        (["params", "--config", "/no/owner.toml"], (9, "/no/owner.toml: no such file")),
        (["fund", TO, "1 ether"], (9, "whose ether? give --keystore")),
        (["fund", TO, "1 ether", "--keystore", "key.json"], (2, "give both")),
        (["fund", TO, "1 euro"], (2, "is not an amount such as")),
        (["fund", "0xab", "1 ether"], (2, "is no address: it takes 40 hexadecimal digits")),
    ],
)
def test_mistakes(shell, net, arguments, expected):
    done = shell.run("chain", *arguments, "--context", net.context)
    assert done.code == expected[0], done.err
    assert expected[1] in " ".join(done.err.split())


def test_no_testnet(shell, tmp_path):
    done = shell.run("chain", "params", "--context", tmp_path / "context.toml")
    assert done.code == 9
    assert "which chain? the context belongs to no testnet: give --config" in done.err


def test_no_address_to_deploy_at(shell, net):
    key = (
        "--keystore",
        net.client / "key.json",
        "--key-password-file",
        net.client / "key.password",
    )
    done = shell.run("chain", "deploy", "--endpoint", "localhost", *key)
    assert done.code == 9
    assert "write http://host:port" in done.err


def test_no_keystore_to_deploy_with(shell, tmp_path):
    key = ("--keystore", tmp_path / "key.json", "--key-password-file", tmp_path / "password")
    done = shell.run("chain", "deploy", "--endpoint", "http://127.0.0.1:1", *key)
    assert done.code == 9
    assert "password" in done.err
