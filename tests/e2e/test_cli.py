"""What the first screen of the README promises, typed as it stands there."""

import json
import os
import subprocess
import sys

import pytest

from xdb.blockchain.embedded.genesis import load_genesis

DATA = os.urandom(300_000)


class Shell:
    """Runs xdb-cli in a directory of its own, with a home of its own."""

    def __init__(self, home):
        self.home = home
        kept = {key: value for key, value in os.environ.items() if not key.startswith("XDB_")}
        self.environment = kept | {"HOME": str(home)}
        for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
            self.environment.pop(variable, None)

    def run(self, *arguments, stdin=None):
        command = [sys.executable, "-m", "xdb", *map(str, arguments)]
        return subprocess.run(
            command,
            cwd=self.home,
            env=self.environment,
            input=stdin,
            capture_output=True,
            check=False,
        )

    def __call__(self, *arguments, stdin=None):
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def json(self, *arguments):
        return json.loads(self(*arguments, "--json"))


@pytest.fixture
def xdb(tmp_path):
    shell = Shell(tmp_path)
    try:
        shell("testnet", "up", "--slice-size", "64 KiB")
        yield shell
    finally:
        shell("testnet", "down", "--remove")


def test_two_minutes(xdb):
    (xdb.home / "holiday.jpg").write_bytes(DATA)
    xdb("ns", "create", "photos", "--copies", "3")
    xdb("upload", "holiday.jpg", "photos")
    assert [file["name"] for file in xdb.json("ls", "photos")["files"]] == ["holiday.jpg"]
    slots = xdb.json("info", "photos/holiday.jpg")["slots"]
    assert len({slot["node"] for slot in slots}) == 3

    xdb("testnet", "kill", "node-2")
    assert xdb.run("verify", "photos/holiday.jpg").returncode in {0, 7}
    xdb("download", "photos/holiday.jpg", "copy.jpg")
    assert (xdb.home / "copy.jpg").read_bytes() == DATA

    processes = xdb.json("testnet", "up")["processes"]
    assert {process["state"] for process in processes} == {"running"}
    assert xdb("download", "photos/holiday.jpg", "-", "--range", "1000+5000") == DATA[1000:6000]
    xdb("upload", "-", "photos/stdin", stdin=b"typed")
    xdb("mv", "photos/stdin", "photos/renamed")
    xdb("rm", "--yes", "photos/renamed")
    assert xdb.run("download", "photos/renamed", "-").returncode == 10
    xdb("undelete", "photos/renamed")
    assert xdb("download", "photos/renamed", "-") == b"typed"
    xdb("verify", "photos/holiday.jpg")

    xdb("testnet", "down")
    done = xdb.run("ls", "photos")
    assert done.returncode == 6
    assert b"owner node" in done.stderr


def test_network_elsewhere_says_how_to_use_it(tmp_path):
    shell, net = Shell(tmp_path), tmp_path / "net"
    try:
        done = shell.run("testnet", "up", "--directory", net, "--nodes", "1", "--epoch", "5")
        assert done.returncode == 0, done.stderr.decode()
        assert f"export XDB_CONTEXT={net}/context.toml" in done.stderr.decode()
        assert load_genesis(net / "genesis.toml").parameters.epoch == 5
    finally:
        shell("testnet", "down", "--remove", "--directory", net)
