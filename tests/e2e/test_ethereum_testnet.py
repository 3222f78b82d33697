"""A testnet on Ethereum, driven from the command line: real processes, a real EVM."""

import io
import json
import os
import re
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

import pytest

from xdb.cli.app import run
from xdb.testing.anvil import anvil
from xdb.testnet import network
from xdb.testnet.layout import Layout, read_plan, read_process

pytestmark = [
    pytest.mark.skipif(anvil() is None, reason="no anvil: see tests/tools.py"),
    pytest.mark.timeout(240),
]

STRANGER = "0x" + "ab" * 20
DATA = os.urandom(200_000)


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


class Shell:
    """Runs xdb-cli with the testnet's context, in this process: its imports take long."""

    def __init__(self, directory):
        self.directory = directory
        self.layout = Layout(directory)

    def run(self, *arguments):
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = run([str(argument) for argument in arguments])
        return Done(int(code), out.getvalue(), err.getvalue())

    def __call__(self, *arguments):
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, *arguments):
        return json.loads(self(*arguments, "--json"))

    def testnet(self, verb, *arguments):
        return self.json("testnet", verb, *arguments, "--directory", self.directory)

    def states(self):
        return {each["name"]: each["state"] for each in self.testnet("status")["processes"]}

    def url(self):
        (chain,) = (each for each in network.status(self.directory) if each.role == "anvil")
        return f"http://{chain.address}"

    def bank(self):
        home = self.layout.home("anvil")
        return ("--keystore", home / "bank.json", "--key-password-file", home / "bank.password")

    def poor(self, home):
        """Options for a key that has no ether."""
        password = home / "poor.password"
        if not password.exists():
            password.touch(mode=0o600)
            password.write_text("password\n")
            self("keys", "new", home / "poor.json", "--password-file", password)
        return ("--keystore", home / "poor.json", "--key-password-file", password)

    def changed(self, home, pattern, text):
        """A copy of the owner's configuration with something else in it."""
        original = self.layout.home("owner") / "owner.toml"
        found, count = re.subn(pattern, text, original.read_text())
        assert count == 1
        path = home / "owner.toml"
        path.write_text(found)
        for name in ("owner.json", "owner.password"):
            copy = home / name
            copy.write_bytes((original.parent / name).read_bytes())
            copy.chmod(0o600)
        return path


@pytest.fixture(scope="module")
def xdb(tmp_path_factory):
    shell = Shell(tmp_path_factory.mktemp("testnet") / "net")
    patch = pytest.MonkeyPatch()
    patch.setenv("XDB_CONTEXT", str(shell.layout.context))
    patch.setenv("XDB_ANVIL", str(anvil()))
    try:
        options = ("--nodes", 2, "--slice-size", "64 KiB", "--epoch", 8)
        shell.testnet("up", "--chain", "ethereum", "--relay", *options)
        yield shell
    finally:
        network.destroy(shell.directory)
        patch.undo()


def proved(xdb, after=-1):
    """The newest epoch after `after` in which somebody proved something."""
    end = time.monotonic() + 90
    while time.monotonic() < end:
        audits = xdb.json("audits", "list")["audits"]
        epochs = [audit["epoch"] for audit in audits if audit["verdict"] == "proved"]
        if max(epochs, default=-1) > after:
            return max(epochs)
        time.sleep(1)  # for a block
    raise AssertionError(f"nobody proved anything after epoch {after}")


# ---------------------------------------------------------------- the network


def test_main_job_and_a_night(xdb, tmp_path):
    original, copy = tmp_path / "original", tmp_path / "copy"
    original.write_bytes(DATA)
    xdb("ns", "create", "ns", "--copies", 2)
    xdb("upload", original, "ns")
    nodes = xdb.json("nodes", "list")["nodes"]
    assert [node["state"] for node in nodes] == ["online"] * 2
    epoch = proved(xdb)

    left = [read_process(xdb.layout, member.name) for member in read_plan(xdb.layout)]
    xdb.testnet("down")
    names = ("relay", "anvil", "node-1", "node-2", "owner")
    assert xdb.states() == dict.fromkeys(names, "stopped")
    assert [process.members() for process in left] == [[]] * 5
    before = json.loads((xdb.layout.home("anvil") / "state.json").read_text())["block"]["number"]

    xdb.testnet("up")
    assert set(xdb.states().values()) == {"running"}
    assert xdb.json("chain", "status", "owner")["head"] >= int(before, 16)
    xdb("download", "ns/original", copy)
    assert copy.read_bytes() == DATA
    assert proved(xdb, after=epoch + 1) > epoch + 1


def test_a_node_killed_and_started(xdb):
    xdb.testnet("kill", "node-2")
    assert xdb.states()["node-2"] == "stopped"
    xdb.testnet("restart", "node-2")
    assert xdb.states()["node-2"] == "running"


def test_a_node_cut_off_from_the_chain(xdb):
    xdb.testnet("partition", "node-1")
    assert xdb.states()["node-1"] == "cut off"
    done = xdb.run("chain", "status", "node-1")
    assert (done.returncode, "does not answer" in flat(done.stderr)) == (6, True)
    assert xdb.json("chain", "status", "owner")["chain"] == 31337
    xdb.testnet("heal", "node-1")
    assert xdb.json("chain", "status", "node-1")["chain"] == 31337


def test_chain_paused_and_resumed(xdb):
    xdb.testnet("pause", "anvil")
    assert xdb.states()["anvil"] == "paused"
    xdb.testnet("resume", "anvil")
    assert xdb.json("chain", "status", "owner")["chain"] == 31337


# ---------------------------------------------------------------- xdb-cli chain


def test_status(xdb):
    found = xdb.json("chain", "status", "node-1")
    assert found["chain"] == 31337
    assert found["lag"] == found["head"] - found["final"] == 2
    assert list(found["endpoints"].values()) == [""]
    assert [account["name"] for account in found["accounts"]] == ["signer", "identity"]
    assert all(account["balance"] > 9000 * 10**18 for account in found["accounts"])
    text = xdb("chain", "status", "node-1")
    assert re.search(r"code hash +0x[0-9a-f]{64}, as pinned", text)
    assert re.search(r"endpoint 127.0.0.1:\d+ +agrees", text)
    assert re.search(r"key identity +0x[0-9a-f]{40} has [\d.]+ ether, 0 transactions waiting", text)
    assert f"0x{found['contract']}" in text
    assert xdb.json("chain", "status")["deployment"]["contract"] == found["contract"]


def test_params(xdb):
    found = xdb.json("chain", "params")
    assert (found["epoch_blocks"], found["freeze_blocks"], found["epoch"]) == (8, 2, 8)
    file = xdb.layout.home("node-1") / "storage.toml"
    assert xdb.json("chain", "params", "--config", file) == found
    assert re.search(r"epoch blocks +8\n", xdb("chain", "params"))


def test_fund(xdb, tmp_path):
    payer = xdb.json("chain", "fund", STRANGER, "1.5 ether")["payer"]
    assert payer == json.loads((xdb.layout.home("anvil") / "bank.json").read_text())["address"]
    key = xdb.poor(tmp_path)
    address = json.loads(key[1].read_text())["address"]
    assert "2 ether more, in block" in xdb("chain", "fund", address, "2 ether")
    xdb("chain", "fund", STRANGER, "1 ether", *key)
    done = xdb.run("chain", "fund", STRANGER, "1 ether", *key)
    assert done.returncode == 6
    assert re.search(r"has 0\.99\d* ether and this takes up to 1\.0\d* ether", flat(done.stderr))


def test_deploy(xdb):
    terms = ("--chain-id", 31337, "--set", "epoch=600")
    found = xdb.json("chain", "deploy", "--endpoint", xdb.url(), *xdb.bank(), *terms)
    assert found["chain_id"] == 31337
    assert found["contract"] != xdb.json("chain", "status", "owner")["contract"]
    assert 'contract = "0x' in xdb("chain", "deploy", "--endpoint", xdb.url(), *xdb.bank())


# ---------------------------------------------------------------- what can be wrong


def flat(text):
    return " ".join(text.split())


def test_wrong_chain(xdb, tmp_path):
    config = xdb.changed(tmp_path, "chain_id = 31337", "chain_id = 1")
    done = xdb.run("chain", "status", "--config", config)
    assert done.returncode == 9
    assert "chain.chain_id is 1, but the endpoints differ" in flat(done.stderr)
    terms = ("--endpoint", xdb.url(), *xdb.bank(), "--chain-id", 1)
    done = xdb.run("chain", "deploy", *terms)
    assert done.returncode == 9
    assert "is on chain 31337, not 1: nothing was deployed; name an endpoint" in flat(done.stderr)


@pytest.mark.parametrize("verb", ["status", "params"])
def test_wrong_contract(xdb, tmp_path, verb):
    config = xdb.changed(tmp_path, r'contract = "0x\w+"', f'contract = "{STRANGER}"')
    done = xdb.run("chain", verb, "--config", config)
    assert done.returncode == 9
    assert "there is no contract at 0xabab" in flat(done.stderr)
    assert "correct chain.contract" in flat(done.stderr)


def test_wrong_code(xdb, tmp_path):
    config = xdb.changed(tmp_path, r'code_hash = "0x\w+"', f'code_hash = "0x{"00" * 32}"')
    done = xdb.run("chain", "status", "--config", config)
    assert (done.returncode, "it is another contract" in flat(done.stderr)) == (9, True)


def test_key_without_ether(xdb, tmp_path):
    done = xdb.run("chain", "deploy", "--endpoint", xdb.url(), *xdb.poor(tmp_path))
    assert done.returncode == 6
    assert "has 0 ether and the deployment may take" in flat(done.stderr)
    assert "send ether to this address on chain 31337" in flat(done.stderr)


def test_parameters_that_the_contract_refuses(xdb):
    terms = ("--set", "epoch=10", "--set", "freeze=10")
    done = xdb.run("chain", "deploy", "--endpoint", xdb.url(), *xdb.bank(), *terms)
    assert done.returncode == 9
    assert "a registry cannot have these parameters" in flat(done.stderr)
    assert "choose others with --set" in flat(done.stderr)


def test_endpoint_that_is_not_there(xdb, tmp_path):
    config = xdb.changed(tmp_path, r'endpoints = \["[^"]+"\]', 'endpoints = ["http://127.0.0.1:1"]')
    done = xdb.run("chain", "status", "--config", config)
    assert done.returncode == 6
    assert "127.0.0.1:1 does not answer" in flat(done.stderr)
