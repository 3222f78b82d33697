"""Verbs that break a network, as far as they need no processes."""

from pathlib import Path

import pytest

from xdb.cli.testnet import _state
from xdb.core.merkle import replica_root
from xdb.store.formats import path_of, prologue, replica_header
from xdb.testing.box import LEAF, ref, sealed
from xdb.testnet.create import Options, create
from xdb.testnet.layout import Layout
from xdb.testnet.network import ProcessStatus


def make(directory, **options):
    create(directory, Options(nodes=2, kv="sqlite", **options))
    return Layout(directory)


@pytest.fixture
def net(tmp_path):
    return make(tmp_path / "net")


@pytest.fixture
def replica(net):
    """The only one that node-1 keeps."""
    content = sealed("one")
    header = replica_header(ref(), 5, len(content), replica_root(content, LEAF), LEAF)
    path = net.data("node-1") / "store" / path_of(header)
    path.parent.mkdir(parents=True)
    path.write_bytes(prologue(header) + content)
    return path


def test_corrupt_says_what_it_hit(shell, net, replica):
    before, file = replica.read_bytes(), ref().file.hex()
    done = shell("testnet", "corrupt", "node-1", "-d", net.directory)
    assert done.out == f"node-1: flipped a bit of file {file} slot 1 piece 5\n"
    assert replica.read_bytes() != before


def test_corrupt_as_json(shell, net, replica):
    assert replica.exists()
    file = ref().file.hex()
    done = shell("testnet", "corrupt", "node-1", "--file", file, "-d", net.directory, "--json")
    hit = {"file": file, "slot": 1, "piece": 5}
    assert done.json == {"process": "node-1", "replicas": [hit]}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["node-2"], (3, "holds 0 replicas")),
        (["node-1", "--count", "2"], (3, "holds 1 replicas that can be damaged, not 2")),
        (["node-1", "--file", "00" * 32], (3, "of file 0000")),
        (["node-1", "--file", "xy"], (2, "is no file id")),
        (["node-1", "--count", "0"], (2, "--count")),
        (["chain"], (9, "chain is no storage node; choose one of node-1, node-2")),
        (["node-9"], (9, "no process 'node-9'")),
    ],
    ids=str,
)
def test_corrupt_refuses(shell, net, replica, arguments, expected):
    before = replica.read_bytes()
    code, message = expected
    done = shell.run("testnet", "corrupt", *arguments, "-d", net.directory)
    assert done.code == code
    assert message in " ".join(done.err.split())
    assert replica.read_bytes() == before


def test_wipe_keeps_who_the_node_is(shell, net, replica):
    kept = {path: path.read_bytes() for path in net.home("node-1").glob("*.*")}
    (net.data("node-1") / "certificate.pem").write_text("made at the first start")
    done = shell("testnet", "wipe", "node-1", "--stay-down", "-d", net.directory)
    assert done.out == "node-1: wiped and stopped\n"
    assert "its keys, certificate and configuration are kept" in done.err
    assert not replica.exists()
    assert (net.data("node-1") / "certificate.pem").read_text() == "made at the first start"
    assert {path: path.read_bytes() for path in net.home("node-1").glob("*.*")} == kept


@pytest.mark.parametrize("verb", ["partition", "heal"])
def test_cutting_off_without_a_relay_says_what_to_do(shell, net, verb):
    done = shell.run("testnet", verb, "node-1", "-d", net.directory)
    assert done.code == 9
    said = " ".join(done.err.split())
    assert "`xdb-cli testnet up --relay`" in said
    assert "`xdb-cli testnet pause node-1`" in said


def test_status_of_a_relay(shell, tmp_path):
    net = make(tmp_path / "net", relay=True)
    (net.home("relay") / "cut.json").write_text('["node-2"]')
    processes = shell("testnet", "status", "-d", net.directory, "--json").json["processes"]
    assert [(each["name"], each["cut"]) for each in processes] == [
        ("relay", False),
        ("chain", False),
        ("node-1", False),
        ("node-2", True),
        ("owner", False),
    ]
    line = shell("testnet", "status", "-d", net.directory).out.splitlines()[1]
    assert line.split() == ["relay", "relay", "stopped", "-", "-", "-"]


@pytest.mark.parametrize(
    ("pid", "paused", "cut", "state"),
    [
        (None, False, True, "stopped"),
        (1, False, False, "running"),
        (1, True, False, "paused"),
        (1, False, True, "cut off"),
        (1, True, True, "paused, cut off"),
    ],
)
def test_state(pid, paused, cut, state):
    process = ProcessStatus("n", "storage", "", "", pid, paused, cut, Path())
    assert _state(process) == state
