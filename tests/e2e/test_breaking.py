"""Breaking a network from outside: what each way does to its node, and what the node does."""

import os
import re
import tomllib
from datetime import timedelta

import pytest

from xdb.client import Client, copies
from xdb.errors import ConfigError
from xdb.runtime.clock import SystemClock
from xdb.testnet import network

DATA = os.urandom(400_000)  # seven slices
pytestmark = pytest.mark.timeout(240)


@pytest.fixture
async def stored(net):
    """A running network of two nodes, a client, and a file that both hold."""
    net.start()
    async with Client.open(net.layout.context) as client:
        await client.namespaces.create("ns", copies(2))
        yield net, client, await client.upload(DATA, "ns", "f")


async def node_of(client, net, name):
    """A node as the owner finds it."""
    (found,) = [
        each.node async for each in client.nodes.list() if each.node.hex() == net.status()[name].id
    ]
    return await client.nodes.info(found)


async def bad(client, info):
    """The replicas that are wrong: node and piece."""
    return {
        (check.node.hex(), check.piece) async for check in client.verify(info) if not check.good
    }


async def test_corrupt_replicas_are_found_and_those_of_others_serve(stored):
    net, client, info = stored
    hit = network.corrupt(net.directory, "node-1", info.file, 3)
    assert len({key.piece for key in hit}) == 3
    assert {key.file for key in hit} == {info.file}
    node = net.status()["node-1"].id
    assert await bad(client, info) == {(node, key.piece) for key in hit}
    assert await client.read(info) == DATA


async def test_a_wiped_node_starts_with_nothing(stored):
    net, client, info = stored
    data = net.layout.data("node-1")
    record, pid = (data / "node.toml").read_text(), net.status()["node-1"].pid
    certificate = (data / "certificate.pem").read_bytes()

    network.wipe(net.directory, "node-1")
    assert net.status()["node-1"].pid not in {None, pid}
    assert (data / "certificate.pem").read_bytes() == certificate
    assert tomllib.loads((data / "node.toml").read_text()) == tomllib.loads(record)
    assert [int(used) for used in re.findall(r"store.opened .*used=(\d+)", net.log("node-1"))] == [
        0,
        0,
    ]
    assert (await node_of(client, net, "node-1")).reachable
    assert await client.read(info) == DATA
    await client.upload(b"new", "ns", "new")  # it takes again what the network gives it
    assert list((data / "store" / "replicas").glob("*/*"))


async def test_a_wiped_node_may_stay_down(stored):
    net, _, _ = stored
    network.wipe(net.directory, "node-2", stay_down=True)
    assert net.status()["node-2"].pid is None
    assert not (net.layout.data("node-2") / "store").exists()
    net.start()
    assert net.status()["node-2"].pid is not None
    with pytest.raises(ConfigError, match="owner is no storage node; choose one of node-1"):
        network.wipe(net.directory, "owner")


# ---------------------------------------------------------------- cut off, paused


async def until(client, net, name, holds):
    """Waits until the owner finds a node as it should be."""
    clock = SystemClock()
    end = clock.monotonic() + 60
    while not holds(found := await node_of(client, net, name)):
        assert clock.monotonic() < end, found
        await clock.sleep(0.1)


def is_reachable(found):
    return found.reachable


async def test_a_node_cut_off_and_back(make_net):
    net = make_net(nodes=3, relay=True, heartbeat=2)
    net.start()
    async with Client.open(net.layout.context) as client:
        await client.namespaces.create("ns", copies(2))
        await until(client, net, "node-1", is_reachable)
        before = net.status()["node-1"]

        network.partition(net.directory, "node-1")
        assert [name for name, process in net.status().items() if process.cut] == ["node-1"]
        found = await node_of(client, net, "node-1")
        assert (found.reachable, bool(found.problem)) == (False, True)
        info = await client.upload(DATA, "ns", "f")
        assert before.address not in {slot.address for slot in info.slots}
        silent = (await node_of(client, net, "node-1")).last_heartbeat

        net.kill("relay")
        net.start()  # it is told again
        later = silent + timedelta(seconds=4)  # two heartbeats
        await until(client, net, "node-2", lambda found: found.last_heartbeat > later)
        found = await node_of(client, net, "node-1")
        assert (found.reachable, found.last_heartbeat) == (False, silent)

        network.heal(net.directory, "node-1")
        await until(client, net, "node-1", is_reachable)
        assert net.status()["node-1"] == before  # the same process, not cut off
        await until(client, net, "node-1", lambda found: found.last_heartbeat > silent)
        assert await client.read(info) == DATA


def test_any_process_can_be_paused(make_net):
    net = make_net(nodes=1, relay=True)
    names = net.start()
    assert list(names) == ["relay", "chain", "node-1", "owner"]
    for name in names:
        network.pause(net.directory, name)
        assert [each for each, process in net.status().items() if process.paused] == [name]
        network.resume(net.directory, name)
        assert not any(process.paused for process in net.status().values())
