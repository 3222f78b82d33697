"""A storage node's certificate is replaced, and its owner never notices."""

import subprocess
import sys

import pytest

from xdb.client import Client, copies
from xdb.node.machine import CERTIFICATE, NEXT_CERTIFICATE
from xdb.peer.certificates import read_certificate
from xdb.testnet import network

pytestmark = pytest.mark.timeout(240)


def xdb_node(net, step):
    config = net.directory / "node-1" / "storage.toml"
    command = [sys.executable, "-m", "xdb.node", "certificate", step, "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


async def kept(client, name):
    """Every node holds a new file, and gives it back."""
    content = name.encode() * 1000
    file = await client.upload(content, "ns", name)
    assert len({slot.node for slot in file.slots}) == 2
    assert await client.read(f"ns/{name}") == content


async def test_a_certificate_is_replaced(net):
    owner = net.start()["owner"].pid
    data = net.directory / "node-1" / "data"
    first = read_certificate(data / CERTIFICATE)
    async with Client.open(net.layout.context) as client:
        await client.namespaces.create("ns", copies(2))
        await kept(client, "before")

        code, said = xdb_node(net, "--switch")
        assert (code, "no next certificate is prepared" in said) == (2, True), said
        code, said = xdb_node(net, "--prepare")
        assert code == 0, said
        following = read_certificate(data / NEXT_CERTIFICATE)
        assert f"{following.fingerprint.hex()}, is announced" in said
        assert "announced already" in xdb_node(net, "--prepare")[1]
        assert read_certificate(data / CERTIFICATE) == first
        await kept(client, "prepared")

        net.restart("node-1")
        assert "announced already" in xdb_node(net, "--prepare")[1], "a start keeps it"
        await kept(client, "restarted")
        code, said = xdb_node(net, "--switch")
        assert (code, "in use by another process" in said) == (2, True), said

        network.end(net.directory, "node-1")
        code, said = xdb_node(net, "--switch")
        assert code == 0, said
        net.start()
        assert read_certificate(data / CERTIFICATE) == following
        await kept(client, "switched")
        for name in ("before", "prepared", "restarted"):
            assert await client.read(f"ns/{name}") == name.encode() * 1000
        assert following.fingerprint.hex() in net.log("node-1")

    assert net.status()["owner"].pid == owner, "it was not touched"
    code, said = xdb_node(net, "--prepare")
    assert code == 0, said
    assert " is announced" in said, "the start recorded the new one alone"


async def test_the_key_of_the_id_is_needed_to_prepare_only(net):
    net.start()
    code, said = xdb_node(net, "--prepare")
    assert code == 0, said
    take_away_the_key_of(net, "node-1")
    code, said = xdb_node(net, "--prepare")
    assert (code, "add [identity] with its keystore" in said) == (2, True), said
    network.kill(net.directory, "node-1")
    code, said = xdb_node(net, "--switch")
    assert code == 0, said
    net.start()
    async with Client.open(net.layout.context) as client:
        await client.namespaces.create("ns", copies(2))
        await kept(client, "switched")


def take_away_the_key_of(net, name):
    config = net.directory / name / "storage.toml"
    before, _, after = config.read_text().partition("[identity]\n")
    _, _, rest = after.partition("\n\n")
    named = rest.replace("[node]\n", f'[node]\nid = "{net.status()[name].id}"\n')
    assert named != rest
    config.write_text(before + named)
