"""The same network of real processes, on a real EVM in place of the embedded chain."""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from xdb.client import Client, copies
from xdb.client.context import read_context, write_context
from xdb.config.owner import OwnerConfig
from xdb.config.source import load
from xdb.config.storage import StorageConfig
from xdb.model.registry import Parameters
from xdb.store.keystore import keystore_address
from xdb.testing.anvil import CHAIN, anvil, running_anvil
from xdb.testnet.create import Options, create
from xdb.testnet.layout import Layout, read_plan, write_plan
from xdb.testnet.network import start, stop

pytestmark = [
    pytest.mark.skipif(anvil() is None, reason="no anvil: see tests/tools.py"),
    pytest.mark.timeout(240),
]

EPOCH = 20  # blocks, of a second each
PARAMETERS = Parameters(
    start=0, leaves_per_epoch=5, leaf_size=256, health_window=7, retention=86400
)


def chain_table(url, pins):
    return f"""[chain]
backend = "ethereum"

[chain.ethereum]
chain_id = {CHAIN}
contract = "0x{pins.contract.hex()}"
code_hash = "0x{pins.code.hex()}"
endpoints = ["{url}", "{url}/"]
slot = "1s"

[chain.ethereum.fees]
daily = "10 ether"

[chain.ethereum.send]
pause = "300ms"

[chain.ethereum.watch]
pause = "300ms"

"""


async def founded(directory, evm):
    """A testnet whose members are on the EVM; its keys have ether."""
    layout = Layout(directory)
    create(directory, Options(nodes=3, slice_size="64 KiB", capacity="1 GiB"))
    members = [member for member in read_plan(layout) if member.role != "chain"]
    write_plan(layout, tuple(members))
    pins = await evm.deploy(PARAMETERS, epoch=EPOCH, freeze=2)
    for member in members:
        path = layout.config(member)
        text = re.sub(r"\[chain\]\n(.+\n)*\n?", chain_table(evm.url, pins), path.read_text())
        path.write_text(text)
        load(StorageConfig if member.role == "storage" else OwnerConfig, path, {})
        for keystore in layout.home(member.name).glob("*.json"):
            await evm.fund([keystore_address(keystore)])
    context = replace(read_context(layout.context), deployment=pins.deployment)
    write_context(layout.context, context)
    return layout


def xdb(layout, *arguments):
    command = [sys.executable, "-m", "xdb", "--context", str(layout.context), *arguments]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def upload_and_download(layout, content):
    async with Client.open(layout.context) as client:
        await client.namespaces.create("ns", copies(2))
        file = await client.upload(content, "ns", "name")
        assert len(file.slots) == 2
        assert b"".join([part async for part in client.stream("ns/name")]) == content
        await client.rename("ns/name", "other")


async def until(seconds, look):
    end = time.monotonic() + seconds
    while not (found := await asyncio.to_thread(look)):
        assert time.monotonic() < end, "it did not come"
        await asyncio.sleep(1)
    return found


async def test_files_are_kept_and_proved(tmp_path):
    async with running_anvil("--block-time", "1", "--slots-in-an-epoch", "2") as evm:
        layout = await founded(tmp_path / "net", evm)
        try:
            await asyncio.to_thread(start, layout.directory)
            await upload_and_download(layout, os.urandom(300_000))
            audits = await until(
                4 * EPOCH,
                lambda: [a for a in xdb(layout, "audits", "list")["audits"] if a["verdict"]],
            )
            assert {audit["verdict"] for audit in audits} == {"proved"}
            health = xdb(layout, "health")
            assert health
        finally:
            await asyncio.to_thread(stop, layout.directory)
