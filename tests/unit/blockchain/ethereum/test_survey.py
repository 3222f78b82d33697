"""What people see of a chain, what they send over it, and deployments that cannot be."""

import asyncio

import pytest

from xdb.blockchain.ethereum.checkpoint import Checkpoint
from xdb.blockchain.ethereum.config import WatchConfig
from xdb.blockchain.ethereum.deployment import Pins
from xdb.blockchain.ethereum.endpoint import Endpoint
from xdb.blockchain.ethereum.endpoints import Endpoints
from xdb.blockchain.ethereum.founding import Founding, found
from xdb.blockchain.ethereum.rpc import RpcError
from xdb.blockchain.ethereum.survey import survey, transfer
from xdb.errors import ConfigError, TimeoutExpiredError, UnavailableError
from xdb.model.ids import Digest
from xdb.store.kv_memory import MemoryKeyValue
from xdb.testing.clock import FakeClock, settle
from xdb.testing.ethereum import CHAIN, ETHER, GWEI, FakeEthereum, FakeRpc
from xdb.testing.keys import NamedKey

KEY, TO = NamedKey("purse"), NamedKey("node").address
PINS = Pins(CHAIN, NamedKey("contract").address, Digest(bytes(32)))


class Net:
    def __init__(self):
        self.chain = FakeEthereum()
        self.chain.mine(20)
        self.clock = FakeClock(self.chain.time)
        self.rpcs = [FakeRpc(self.chain, f"e{number}") for number in range(3)]
        watch = WatchConfig(quorum=2, stale=10_000, ahead=10_000)
        checkpoint = Checkpoint(MemoryKeyValue())
        self.endpoints = Endpoints(self.rpcs, CHAIN, checkpoint, self.clock, watch)

    async def survey(self):
        await self.endpoints.refresh()
        return await survey(self.endpoints, PINS, {"identity": KEY.address})

    async def transfer(self, wei=ETHER):
        await self.endpoints.refresh()
        return await transfer(self.endpoints, CHAIN, KEY, TO, wei, self.clock)

    async def begun(self):
        """A transfer that waits for a block."""
        task = asyncio.create_task(self.transfer())
        await settle(500)
        assert len(self.chain.pool) == 1
        return task


@pytest.fixture
def net():
    return Net()


async def test_all_is_well(net):
    seen = await net.survey()
    assert (seen.chain, seen.head, seen.final, seen.base_fee) == (CHAIN, 20, 16, 10 * GWEI)
    assert seen.endpoints == {"e0": "", "e1": "", "e2": ""}
    (account,) = seen.accounts
    assert (account.name, account.address) == ("identity", KEY.address)
    assert (account.balance, account.pending) == (100 * ETHER, 0)


async def test_an_endpoint_on_another_chain(net):
    net.rpcs[1].chain_id = 1
    seen = await net.survey()
    assert seen.endpoints == {"e0": "", "e1": f"is on chain 1, not {CHAIN}", "e2": ""}


async def test_a_transaction_that_waits(net):
    task = await net.begun()
    (account,) = (await net.survey()).accounts
    assert account.pending == 1
    task.cancel()


async def test_a_transfer(net):
    task = await net.begun()
    (sent,) = net.chain.pool.values()
    assert (sent.to, sent.data, sent.value, sent.gas) == (TO, b"", ETHER, 21_000)
    net.chain.mine()
    await net.clock.advance(1)
    assert (await task).number == 21


async def test_a_transfer_whose_answer_was_lost_is_not_called_unsent(net):
    for rpc in net.rpcs:
        rpc.answers_lost = 1
    task = await net.begun()
    net.chain.mine()
    await net.clock.advance(1)
    assert (await task).number == 21


async def test_a_transfer_that_no_block_takes(net):
    task = await net.begun()
    await net.clock.advance(301)
    with pytest.raises(TimeoutExpiredError, match="is in no block after 300 s: look again before"):
        await task


async def test_a_transfer_that_fails(net):
    net.chain.fails = True
    task = await net.begun()
    net.chain.mine()
    await net.clock.advance(1)
    with pytest.raises(UnavailableError, match="it is no key's address"):
        await task


async def test_a_transfer_that_is_refused(net):
    net.chain.minimum = 1000 * GWEI
    with pytest.raises(UnavailableError, match=r"underpriced.*: nothing was sent"):
        await net.transfer()


async def test_too_little_for_a_transfer(net):
    with pytest.raises(UnavailableError, match=r"has 100 ether and this takes up to 100\.0\d+"):
        await net.transfer(100 * ETHER)
    assert not net.chain.pool


# ---------------------------------------------------------------- deployments


def deployment(net):
    return found(Endpoint(net.rpcs[0], net.clock, 5.0), KEY, Founding())


async def test_too_little_for_a_deployment(net):
    net.chain.balance = GWEI
    with pytest.raises(UnavailableError, match=f"send ether to this address on chain {CHAIN}"):
        await deployment(net)
    assert not net.chain.pool


@pytest.mark.parametrize(
    ("error", "expected", "words"),
    [
        (RpcError(3, "execution reverted"), ConfigError, "choose others with --set"),
        (RpcError(3, "x", bytes(36)), ConfigError, "cannot have these parameters"),
        (RpcError(-32000, "header not found"), UnavailableError, "try another endpoint"),
    ],
)
async def test_a_deployment_that_cannot_be_tried(net, error, expected, words):
    def execute(_):
        raise error

    net.chain.execute = execute
    with pytest.raises(expected, match=words):
        await deployment(net)
    assert not net.chain.pool
