"""A new registry, deployed by `xdb-node registry`."""

import asyncio
import sys
import tomllib

import pytest

from xdb.blockchain.ethereum.backend import Settings, open_ethereum
from xdb.blockchain.ethereum.config import WatchConfig
from xdb.blockchain.ethereum.deployment import Pins
from xdb.blockchain.ethereum.http import HttpRpc
from xdb.config.address import parse_identity
from xdb.errors import ConfigError
from xdb.node.registry import founding_of
from xdb.runtime.clock import SystemClock
from xdb.store.keystore import write_keystore
from xdb.store.kv_memory import MemoryKeyValue
from xdb.testing.anvil import CHAIN, anvil, running_anvil
from xdb.testing.keys import NamedKey

KEY = NamedKey("founder")
real = pytest.mark.skipif(anvil() is None, reason="no anvil: see tests/tools.py")


def test_settings():
    founding = founding_of(["epoch=600", "freeze=10", "retention=3d", "leaf_size=1024"])
    assert (founding.epoch, founding.freeze) == (600, 10)
    assert founding.parameters.epoch == 7200
    assert founding.parameters.retention == 3 * 86400
    assert founding.parameters.leaf_size == 1024
    assert founding_of([]).epoch == 7200


@pytest.mark.parametrize("text", ["epoch", "epohc=1", "heartbeat=5", "epoch=1d", "retention=x"])
def test_settings_that_are_none(text):
    with pytest.raises(ConfigError, match="--set"):
        founding_of([text])


def test_parameters_that_break_promises():
    with pytest.raises(ConfigError, match="shorter than two epochs"):
        founding_of(["epoch=60000"])


async def _deploy(tmp_path, url):
    write_keystore(tmp_path / "key.json", KEY.private_key, "password", scrypt_n=4096)
    password = tmp_path / "password"
    password.touch(mode=0o600)
    password.write_text("password\n")
    options = ("--keystore", str(tmp_path / "key.json"), "--password-file", str(password))
    command = ("-m", "xdb.node", "registry", "--endpoint", url, *options, "--set", "epoch=600")
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, errors = await process.communicate()
    return process.returncode, out.decode(), errors.decode()


@real
async def test_it_says_what_nodes_pin(tmp_path):
    async with asyncio.timeout(60), running_anvil() as evm:
        await evm.fund([KEY.address])
        code, out, errors = await _deploy(tmp_path, evm.url)
        assert code == 0, errors
        said = tomllib.loads(out)["chain"]["ethereum"]
        pins = Pins(
            said["chain_id"],
            parse_identity(said["contract"]),
            bytes.fromhex(said["code_hash"].removeprefix("0x")),
        )
        assert pins.chain == CHAIN
        rpcs = [HttpRpc(evm.url, 5.0) for _ in range(2)]
        watch = WatchConfig(stale=10**9, ahead=10**9)
        chain = await open_ethereum(
            rpcs, pins, MemoryKeyValue(), SystemClock(), Settings(watch=watch)
        )
        assert chain.parameters.epoch == 7200
        assert chain.parameters.leaves_per_epoch == 5
        await chain.close()


@real
async def test_without_ether_it_says_so(tmp_path):
    async with asyncio.timeout(60), running_anvil() as evm:
        code, _, errors = await _deploy(tmp_path, evm.url)
        assert code == 1
        assert "has 0 ether" in errors
        assert "send ether to this address" in errors
