"""The life of a storage node. What needs a chain is in tests/e2e/test_life.py."""

import pytest

from xdb.testnet.create import Options, create
from xdb.testnet.layout import Layout

VERBS = ["drain", "online", "offline", "leave", "resign"]


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    directory = tmp_path_factory.mktemp("testnet") / "net"
    create(directory, Options(nodes=1))
    return Layout(directory)


@pytest.mark.parametrize("verb", VERBS)
def test_which_node(shell, verb):
    done = shell.run("nodes", verb)
    assert done.code == 2
    assert "give --config with its configuration" in done.err
    assert shell.run("nodes", verb, "node-1", "--config", "storage.toml").code == 2


def test_a_name_without_a_testnet(shell, tmp_path):
    context = tmp_path / "context.toml"
    done = shell.run("nodes", "drain", "node-1", "--context", context)
    assert done.code == 9
    assert "belongs to no testnet" in done.err


def test_a_name_that_is_no_storage_node(shell, net):
    done = shell.run("nodes", "drain", "node-9", "--context", net.context)
    assert (done.code, "there are chain, node-1, owner" in done.err) == (9, True)
    assert shell.run("nodes", "drain", "owner", "--context", net.context).code == 9


@pytest.mark.parametrize("named", ["--config", "--context"])
def test_without_a_chain(shell, net, named):
    if named == "--config":
        arguments = ["--config", net.home("node-1") / "storage.toml"]
    else:
        arguments = ["node-1", "--context", net.context]
    done = shell.run("nodes", "drain", *arguments)
    assert done.code == 6
    assert "no chain server answers" in done.err
    made = sorted(path.name for path in (net.home("node-1") / "data").iterdir())
    assert made == [], "the data directory is left alone"
