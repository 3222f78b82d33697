"""Starting, breaking and stopping the processes of a network."""

import os
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from xdb.errors import UnavailableError
from xdb.testnet import network
from xdb.testnet.layout import read_process


def heights(net):
    """What the nodes have registered, as their logs tell."""
    return {name: net.log(name).count("sent=['RegisterNode']") for name in net.status()}


def one_cycle(task, config):
    command = [sys.executable, "-m", "xdb.node", "run", "--once", task, "--config", str(config)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def lives(pid):
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_life_of_a_network(net):
    first = net.start()
    assert all(process.pid for process in first.values())
    assert list(first) == ["chain", "node-1", "node-2", "owner"]

    again = net.start()
    assert again == first, "a second start starts nothing"

    net.kill("node-1")
    assert net.status()["node-1"].pid is None
    assert net.status()["node-2"] == first["node-2"]

    config = net.directory / "node-1" / "storage.toml"
    assert "height " in one_cycle("heartbeat", config).stdout
    assert one_cycle("collector", config).stdout == "nothing to do\n"
    said = one_cycle("cleaner", config).stderr
    assert "choose one of heartbeat, prover, scrubber, collector" in said

    repaired = net.start()
    assert "in use by another process" in one_cycle("collector", config).stderr
    assert repaired["node-1"].pid not in {None, first["node-1"].pid}
    assert repaired["node-2"] == first["node-2"]
    assert heights(net)["node-1"] == 1, "a node that comes back does not register again"

    for process in repaired.values():
        home = net.directory / process.name
        record = tomllib.loads((home / "data" / "node.toml").read_text())
        assert (record["role"], record["id"]) == (process.role, process.id)

    network.pause(net.directory, "node-2")
    assert net.status()["node-2"].paused
    workers = net.left()
    net.stop()  # what was stopped in its tracks, too
    assert net.left() == []
    end = time.monotonic() + 10
    while any(lives(pid) for pid in workers):
        assert time.monotonic() < end, "a worker outlives its node"
        time.sleep(0.05)
    assert [process.pid for process in net.status().values()] == [None] * 4

    assert all(process.pid for process in net.start().values())


def test_whole_network_survives_the_loss_of_its_chain_server(net):
    before = net.start()
    net.kill("chain")
    net.restart("node-1")  # without a chain it goes on with what it knows
    assert "chain.silent" in net.log("node-1")
    net.restart("owner")
    net.start()
    after = net.status()
    assert after["chain"].pid != before["chain"].pid
    assert all(process.pid for process in after.values())


def test_what_does_not_start_says_why(net):
    config = net.directory / "owner" / "owner.toml"
    config.write_text(config.read_text() + "\n[uplaod]\n")
    with pytest.raises(UnavailableError, match=r"owner did not start: .*did you mean 'upload'"):
        net.start()
    assert net.status()["node-1"].pid, "the others stay up"
    assert net.status()["owner"].pid is None


def test_stranger_with_a_recorded_number_is_left_alone(net):
    net.start()
    layout, started = net.layout, read_process(net.layout, "owner")
    net.kill("owner")
    text = layout.process("owner").read_text()
    layout.process("owner").write_text(text.replace(str(started.pid), str(os.getpid())))
    assert net.status()["owner"].pid is None
    net.stop()  # ends everything but this process
    assert net.left() == []
