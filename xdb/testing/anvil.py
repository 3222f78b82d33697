"""Real EVMs on this machine: anvil, with a registry deployed."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from xdb.blockchain.ethereum.deployment import Pins
from xdb.blockchain.ethereum.founding import Founding, initcode
from xdb.blockchain.ethereum.http import HttpRpc
from xdb.blockchain.ethereum.quantities import data, octets_of, quantity
from xdb.blockchain.ethereum.transactions import keccak256
from xdb.errors import ConfigError, UnavailableError
from xdb.model.ids import Address
from xdb.model.registry import Parameters
from xdb.testnet.anvil import find_anvil

PRUNED = ("--prune-history", "1000")
"""Else every state is left in the home directory."""
CHAIN = 31337
DEPLOYER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"  # anvil's first account
RICH = 1000 * 10**18


def anvil() -> str | None:
    """The program as a testnet finds it; None when there is none."""
    try:
        return str(find_anvil(os.environ))
    except ConfigError:
        return None


@dataclass
class Anvil:
    """A running anvil. `rpc` is a connection for the test's own use."""

    url: str
    rpc: HttpRpc

    async def call(self, method: str, *parameters: object) -> Any:  # noqa: ANN401  # JSON
        """Any method of it."""
        return await self.rpc.call(method, *parameters)

    async def mine(self, count: int = 1) -> None:
        """Makes blocks."""
        await self.call("anvil_mine", quantity(count))

    async def fund(self, addresses: Sequence[Address], wei: int = RICH) -> None:
        """Gives them a balance."""
        for address in addresses:
            await self.call("anvil_setBalance", data(address), quantity(wei))

    async def deploy(self, parameters: Parameters, *, epoch: int = 100, freeze: int = 10) -> Pins:
        """Deploys a registry."""
        request = {
            "from": DEPLOYER,
            "data": data(initcode(Founding(epoch, freeze, parameters))),
            "gas": quantity(16_000_000),
        }
        sent = await self.call("eth_sendTransaction", request)
        receipt = await self.call("eth_getTransactionReceipt", sent)
        while receipt is None:
            await self.mine()
            receipt = await self.call("eth_getTransactionReceipt", sent)
        assert receipt["status"] == "0x1", receipt
        contract = receipt["contractAddress"]
        code = octets_of(await self.call("eth_getCode", contract, "latest"), "code")
        return Pins(CHAIN, Address(octets_of(contract, "an address")), keccak256(code))


@asynccontextmanager
async def running_anvil(*options: str) -> AsyncIterator[Anvil]:
    """Starts one on a free port of loopback; ends it afterwards."""
    program = anvil()
    assert program is not None, "no anvil here: run npm ci in xdb/blockchain/ethereum/contracts"
    port = _free_port()
    command = (
        program,
        "--port",
        str(port),
        "--silent",
        "--chain-id",
        str(CHAIN),
        *PRUNED,
        *options,
    )
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    rpc = HttpRpc(url, 20.0)
    try:
        await _answers(rpc)
        yield Anvil(url, rpc)
    finally:
        await rpc.close()
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _answers(rpc: HttpRpc) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await rpc.call("eth_chainId")
            except UnavailableError:
                await asyncio.sleep(0.02)
            else:
                return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
