"""The chain server's disk is lost: another node's copy goes on."""

import re
import shutil
import subprocess
import sys

from xdb.client.client import Client
from xdb.config.address import endpoint_text
from xdb.model.registry import Coding, Endpoint, Redundancy
from xdb.node.machine import CERTIFICATE
from xdb.peer.certificates import read_certificate
from xdb.testnet import network


def xdb_node(*arguments):
    command = [sys.executable, "-m", "xdb.node", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def endpoint(net, name):
    certificate = read_certificate(net.directory / name / "data" / CERTIFICATE)
    return endpoint_text(Endpoint(net.status()[name].address, certificate.fingerprint))


async def test_promotion(net):
    net.start()
    async with Client.open(net.layout.context) as client:
        await client.namespaces.create("ns", Redundancy(Coding.COPIES, 1, 2))
        await client.upload(b"before", "ns", "file")
    net.kill("chain")
    data = net.directory / "chain" / "data"
    shutil.rmtree(data / "chain")  # the disk is gone, the certificate was backed up
    config = net.directory / "chain" / "chain.toml"
    source = net.directory / "node-1" / "data"

    running = xdb_node("chain", "--config", config, "--promote", source)
    assert running.returncode == 2
    assert "in use by another process" in running.stderr

    network.kill(net.directory, "node-1")
    compare = ["--compare", endpoint(net, "node-2")]
    promoted = xdb_node("chain", "--config", config, "--promote", source, *compare)
    assert promoted.returncode == 0, promoted.stderr
    assert re.search(r"goes on with the chain at block \d+: start it", promoted.stdout)

    again = xdb_node("chain", "--config", config, "--promote", source)
    assert again.returncode == 2
    assert "this server has a chain" in again.stderr

    net.start()
    async with Client.open(net.layout.context) as client:
        assert await client.read("ns/file") == b"before"
        await client.upload(b"after", "ns", "file", replace=True)
        assert await client.read("ns/file") == b"after"
