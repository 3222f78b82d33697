"""The life of a storage node, by real processes: drained, back, stopped, started."""

import asyncio
import json
import subprocess
import sys
import time

import pytest

from xdb.client import Client, copies
from xdb.errors import UnavailableError
from xdb.testnet import network

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def three(make_net):
    net = make_net(nodes=3)
    net.start()
    return net


def run(net, *arguments):
    command = [sys.executable, "-m", "xdb", "--context", str(net.layout.context), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def xdb(net, *arguments):
    done = run(net, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def state_of(net, name):
    id_ = net.status()[name].id
    nodes = xdb(net, "nodes", "list")["nodes"]
    return next(each["state"] for each in nodes if each["node"] == id_)


async def holders(net, name, count):
    """Who holds a new file of so many copies."""
    async with Client.open(net.layout.context) as client:
        if not [each async for each in client.namespaces.list() if each.name == f"ns{count}"]:
            await client.namespaces.create(f"ns{count}", copies(count))
        file = await client.upload(b"content", f"ns{count}", name)
        return {slot.address for slot in file.slots}


def test_a_node_drains_and_takes_files_again(three):
    address = three.status()["node-1"].address
    done = xdb(three, "nodes", "drain", "node-1")
    assert (done["before"], done["after"], done["changed"]) == ("online", "draining", True)
    assert state_of(three, "node-1") == "draining"
    for number in range(3):
        assert address not in asyncio.run(holders(three, f"f{number}", 2))

    three.restart("node-1")
    assert state_of(three, "node-1") == "draining", "a restart does not end it"

    config = three.directory / "node-1" / "storage.toml"
    text = run(three, "nodes", "online", "--config", str(config))
    assert text.returncode == 0, text.stderr
    assert "draining -> online\nit takes new files" in text.stdout
    assert "the word of its chain server" in text.stderr
    assert address in asyncio.run(holders(three, "all", 3))


def test_a_node_that_stops_is_offline_until_it_starts(three):
    network.end(three.directory, "node-2")
    assert state_of(three, "node-2") == "offline"
    assert state_of(three, "node-1") == "online"
    assert three.status()["node-2"].address not in asyncio.run(holders(three, "f", 2))
    three.start()
    assert state_of(three, "node-2") == "online"
    assert three.status()["node-2"].address in asyncio.run(holders(three, "g", 3))


def test_a_stop_without_a_chain_takes_no_longer_than_that(three):
    three.kill("chain")
    began = time.monotonic()
    network.end(three.directory, "node-2")
    assert time.monotonic() - began < 8
    assert "node.left_online" in three.log("node-2")


def test_a_node_leaves_for_good(three):
    refused = run(three, "nodes", "leave", "node-3")
    assert refused.returncode == 4
    assert "drain it (xdb-cli nodes drain)" in refused.stderr
    network.end(three.directory, "node-3")
    xdb(three, "nodes", "drain", "node-3")
    done = xdb(three, "nodes", "leave", "node-3")
    assert (done["before"], done["after"]) == ("draining", "left")
    said = r"node-3 did not start: .*has left this network for good"
    with pytest.raises(UnavailableError, match=said):
        three.start()
