"""The backend at a real EVM, and everything that goes wrong between them."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from xdb.blockchain.ethereum.backend import Settings, open_ethereum
from xdb.blockchain.ethereum.config import FeeConfig, SendConfig, WatchConfig
from xdb.blockchain.ethereum.http import HttpRpc
from xdb.blockchain.ethereum.interface import ERRORS
from xdb.blockchain.ethereum.quantities import data, quantity
from xdb.blockchain.ethereum.rpc import RpcError
from xdb.errors import ConfigError, RefusedCallError, TimeoutExpiredError, UnavailableError
from xdb.index.index import Index
from xdb.model.calls import Heartbeat
from xdb.model.refusal import Refusal
from xdb.model.registry import Parameters
from xdb.runtime.clock import SystemClock
from xdb.store.kv_memory import MemoryKeyValue
from xdb.testing.anvil import anvil, running_anvil
from xdb.testing.entropy import SeededEntropy
from xdb.testing.keys import NamedKey
from xdb.testing.registry import node_call

pytestmark = pytest.mark.skipif(anvil() is None, reason="no anvil: see tests/tools.py")

GWEI, ETHER = 10**9, 10**18
NODE, OTHER = NamedKey("node"), NamedKey("other")
PARAMETERS = Parameters(start=0, leaf_size=256)
SETTINGS = Settings(
    FeeConfig(most=100 * GWEI, daily=10 * ETHER),
    SendConfig(pause=0.02, patience=10, rebroadcast=0.2, replace_after=60),
    WatchConfig(pause=0.02, stale=10**9, ahead=10**9),
)


@dataclass
class Line:
    """An endpoint that a test cuts, slows down or lets lie."""

    rpc: HttpRpc
    name: str
    down: bool = False
    lies: dict = field(default_factory=dict)  # by method
    lost: int = 0  # answers to transactions that do not come back
    sent: list = field(default_factory=list)

    async def call(self, method, *parameters):
        if self.down:
            raise UnavailableError(f"{self.name} is down")
        if method == "eth_sendRawTransaction":
            self.sent.append(parameters[0])
        answer = await self.rpc.call(method, *parameters)
        if method == "eth_sendRawTransaction" and self.lost:
            self.lost -= 1
            raise UnavailableError(f"{self.name}: the answer was lost")
        return self.lies.get(method, lambda given: given)(answer)

    async def close(self):
        await self.rpc.close()


class Net:
    """An EVM behind two lines, a node on it, and the node's index."""

    def __init__(self, evm, pins):
        self.evm, self.pins, self.kv = evm, pins, MemoryKeyValue()
        self.views = MemoryKeyValue()
        self.lines = [Line(HttpRpc(evm.url, 5.0), name) for name in ("one", "two")]

    async def open(self, settings=SETTINGS):
        self.chain = await open_ethereum(self.lines, self.pins, self.kv, SystemClock(), settings)
        self.index = Index(self.views, self.chain.parameters, self.chain.deployment)
        self._tasks = [asyncio.create_task(work) for work in (self.chain.run(), self._feed())]

    async def stop(self):
        """As a process that is killed."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _feed(self):
        events = self.chain.events()
        while True:
            try:
                async for item in events.follow(self.index.head.height):
                    await self.index.apply(item)
            except UnavailableError:
                await asyncio.sleep(0.02)

    async def submit(self, call, key=NODE):
        return await self.chain.registry(key, SeededEntropy()).submit(call)

    async def settled(self):
        """The index is where the chain is, and nothing waits."""
        for _ in range(1000):
            with_tip = await self.chain.tip()
            if self.index.head.height >= with_tip and not self.sender.waiting:
                return
            await asyncio.sleep(0.02)
        where = self.index.head, self.chain.head, self.sender.waiting
        raise AssertionError(f"it does not settle: {where}, {self.chain.trouble}")

    @property
    def sender(self):
        return self.chain._sender(NODE)

    @property
    def journal(self):
        return self.sender._journal

    async def beats(self):
        """Heartbeats by the chain itself."""
        request = {"fromBlock": "0x0", "toBlock": "latest", "address": data(self.pins.contract)}
        logs = await self.evm.call("eth_getLogs", request)
        return sum(len(log["topics"]) == 2 and log["data"] == "0x" for log in logs)

    async def automine(self, on):
        await self.evm.call("evm_setAutomine", on)

    async def pool(self):
        return (await self.evm.call("txpool_content"))["pending"]


@asynccontextmanager
async def network(*options):
    async with asyncio.timeout(60), running_anvil("--slots-in-an-epoch", "16", *options) as evm:
        await evm.fund([NODE.address])
        net = Net(evm, await evm.deploy(PARAMETERS))
        await net.open()
        await net.submit(node_call(NODE))
        yield net
        await net.stop()
        await net.chain.close()


@pytest.fixture
async def net():
    async with network() as net:
        yield net


# ------------------------------------------------------------------ reorganisations


@pytest.mark.parametrize("depth", range(1, 8))
@pytest.mark.parametrize("fate", ["dropped", "again"])
async def test_a_call_outlives_reorganisations(net, depth, fate):
    await net.evm.mine(3)
    included = await net.submit(Heartbeat(NODE.node))
    await net.evm.mine(depth - 1)
    await net.settled()
    entry = net.journal.entries[-1]
    again = [[data(entry.last.raw), 0]] if fate == "again" else []
    await net.evm.call("anvil_reorg", depth, again)
    await net.evm.mine()
    await net.settled()
    await net.evm.mine()
    await net.settled()
    assert await net.beats() == 1
    beat = net.index.node(NODE.node)
    assert beat.last_heartbeat > 0
    assert net.index.rollbacks >= 1
    assert net.index.poisoned == 0
    receipt = await net.evm.call("eth_getTransactionReceipt", data(entry.last.hash))
    assert receipt["status"] == "0x1"
    assert included.transaction == entry.last.hash


@pytest.mark.parametrize("depth", [1, 4, 7])
async def test_a_reorganisation_while_the_node_is_down(net, depth):
    await net.evm.mine(3)
    await net.submit(Heartbeat(NODE.node))
    await net.evm.mine(depth - 1)
    await net.settled()
    before = net.index.head.height
    await net.stop()
    await net.evm.call("anvil_reorg", depth, [])
    await net.evm.mine(2)
    await net.open()
    _ = net.sender  # a node opens its registries at its start
    await net.settled()
    await net.evm.mine()
    await net.settled()
    assert net.index.head.height > before
    assert await net.beats() == 1
    assert net.index.poisoned == 0


async def test_final_calls_are_forgotten(net):
    await net.submit(Heartbeat(NODE.node))
    assert len(net.journal.entries) == 2
    await net.evm.mine(40)
    await net.settled()
    for _ in range(200):
        if not net.journal.entries:
            break
        await asyncio.sleep(0.02)
    assert not net.journal.entries
    assert net.journal.spent(int(SystemClock().wall())) > 0
    assert net.index.head.final > 0


# ------------------------------------------------------------------ transactions


async def test_a_dropped_transaction_is_sent_again(net):
    await net.automine(False)
    waiting = asyncio.create_task(net.submit(Heartbeat(NODE.node)))
    await _until(lambda: len(net.journal.entries) == 2)
    entry = net.journal.entries[-1]
    await _until_async(net.pool)
    await net.evm.call("anvil_dropTransaction", data(entry.last.hash))
    await _until(lambda: net.lines[0].sent.count(data(entry.last.raw)) > 1)
    await net.automine(True)
    await net.evm.mine()
    await waiting
    assert await net.beats() == 1


async def test_a_stuck_transaction_is_replaced_and_counts_once():
    async with network() as net:
        await net.stop()
        await net.open(replace(SETTINGS, send=replace(SETTINGS.send, replace_after=0.3)))
        await net.automine(False)
        waiting = asyncio.create_task(net.submit(Heartbeat(NODE.node)))
        await _until(lambda: len(net.journal.entries) == 2)
        await _until(lambda: len(net.journal.entries[-1].attempts) > 1)
        await net.automine(True)
        await net.evm.mine()
        await waiting
        assert await net.beats() == 1


async def test_a_fee_spike_is_waited_for_within_the_cap(net):
    await net.automine(False)
    waiting = asyncio.create_task(net.submit(Heartbeat(NODE.node)))
    await _until(lambda: len(net.journal.entries) == 2)
    await net.evm.call("anvil_setNextBlockBaseFeePerGas", quantity(1000 * GWEI))
    await net.evm.mine()
    await asyncio.sleep(0.5)
    assert not waiting.done()
    await net.evm.fund([OTHER.address])
    with pytest.raises(UnavailableError, match=r"more than chain\.fees\.most allows"):
        await net.submit(node_call(OTHER), OTHER)
    assert all(attempt.fee <= 100 * GWEI for attempt in net.journal.entries[-1].attempts)
    await net.evm.call("anvil_setNextBlockBaseFeePerGas", quantity(GWEI))
    await net.automine(True)
    await net.evm.mine()
    await waiting
    assert await net.beats() == 1


async def test_out_of_funds_is_told_with_address_and_amount(net):
    with pytest.raises(UnavailableError, match=rf"0x{OTHER.address.hex()} needs 0\.\d+ ether"):
        await net.submit(node_call(OTHER), OTHER)
    await net.evm.fund([OTHER.address])
    await net.submit(node_call(OTHER), OTHER)


async def test_a_lost_answer_makes_no_second_call(net):
    for line in net.lines:
        line.lost = 1
    await net.submit(Heartbeat(NODE.node))
    await asyncio.sleep(0.3)
    assert await net.beats() == 1


async def test_another_program_with_the_same_key(net):
    """It takes the nonce; the call is given up only when that is final, and can be repeated."""
    await net.evm.call("anvil_impersonateAccount", data(NODE.address))
    await net.automine(False)
    waiting = asyncio.create_task(net.submit(Heartbeat(NODE.node)))
    await _until(lambda: len(net.journal.entries) == 2)
    entry = net.journal.entries[-1]
    for line in net.lines:
        line.lies["eth_sendRawTransaction"] = _unavailable
    await net.evm.call("anvil_dropTransaction", data(entry.last.hash))
    request = {
        "from": data(NODE.address),
        "to": data(OTHER.address),
        "nonce": quantity(entry.nonce),
        "maxFeePerGas": quantity(50 * GWEI),
    }
    await net.evm.call("eth_sendTransaction", request)
    await net.evm.mine()
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await net.evm.mine(40)
    with pytest.raises(UnavailableError, match="another transaction used nonce"):
        await waiting
    for line in net.lines:
        line.lies.clear()
    await net.automine(True)
    await net.submit(Heartbeat(NODE.node))
    assert await net.beats() == 1


async def test_a_killed_process_goes_on_with_what_it_wrote_down(net):
    await net.automine(False)
    waiting = asyncio.create_task(net.submit(Heartbeat(NODE.node)))
    await _until(lambda: len(net.journal.entries) == 2)
    entry = net.journal.entries[-1]
    waiting.cancel()
    await net.stop()
    await net.evm.call("anvil_dropTransaction", data(entry.last.hash))
    await net.open()
    again = asyncio.create_task(net.submit(Heartbeat(NODE.node)))
    await _until_async(net.pool)
    await net.automine(True)
    await net.evm.mine()
    included = await again
    assert included.transaction == entry.last.hash
    assert await net.beats() == 1


async def test_a_call_that_is_in_no_block_in_time_has_an_unknown_outcome():
    async with network() as net:
        await net.stop()
        await net.open(replace(SETTINGS, send=replace(SETTINGS.send, patience=0.5)))
        await net.automine(False)
        with pytest.raises(TimeoutExpiredError, match="goes on being sent"):
            await net.submit(Heartbeat(NODE.node))
        await net.automine(True)
        await net.evm.mine()
        await net.settled()
        assert await net.beats() == 1


async def test_a_call_that_fails_in_its_block_has_its_refusal(net):
    await net.evm.fund([OTHER.address])
    await net.automine(False)
    both = [
        asyncio.create_task(net.submit(node_call(OTHER), OTHER)),
        asyncio.create_task(net.submit(replace(node_call(OTHER), zone="elsewhere"), OTHER)),
    ]
    journal = net.chain._sender(OTHER)._journal
    await _until(lambda: len(journal.entries) == 2)
    await net.automine(True)
    await net.evm.mine()
    outcomes = await asyncio.gather(*both, return_exceptions=True)
    refused = [one for one in outcomes if isinstance(one, RefusedCallError)]
    assert [one.refusal for one in refused] == [Refusal.NODE_EXISTS]


# ------------------------------------------------------------------ endpoints


async def test_one_endpoint_down_of_two_that_must_agree_stops_and_heals(net):
    net.lines[0].down = True
    await _until(net.chain.endpoints.problem)
    with pytest.raises(UnavailableError, match="nothing is sent: too few"):
        await net.submit(Heartbeat(NODE.node))
    height = net.index.head.height
    await net.evm.mine(3)
    await asyncio.sleep(0.2)
    assert net.index.head.height == height
    net.lines[0].down = False
    await net.settled()
    await net.submit(Heartbeat(NODE.node))
    assert net.index.head.height >= height + 3


async def test_with_a_third_one_may_be_down_or_lie():
    async with network() as net:
        await net.stop()
        net.lines.append(Line(HttpRpc(net.evm.url, 5.0), "three"))
        await net.open()
        net.lines[0].down = True
        await net.submit(Heartbeat(NODE.node))
        net.lines[0].down = False
        await _until(lambda: not net.chain.endpoints.trouble)
        for method in ("eth_getLogs", "eth_getTransactionReceipt"):
            net.lines[1].lies[method] = lambda _: None
        net.lines[1].lies["eth_getTransactionCount"] = lambda _: "0xffff"
        await net.submit(Heartbeat(NODE.node))
        net.lines[1].lies["eth_getBlockByNumber"] = lambda block: block | {"hash": "0x" + "13" * 32}
        await net.submit(Heartbeat(NODE.node))
        await net.settled()
        assert "another" in net.chain.endpoints.trouble["two"]
        assert await net.beats() == 3
        assert net.index.poisoned == 0


async def test_a_refusal_that_one_endpoint_makes_up_is_not_believed(net):
    net.lines[0].lies["eth_estimateGas"] = _refused
    with pytest.raises(UnavailableError, match="cannot be tried"):
        await net.submit(Heartbeat(NODE.node))
    net.lines[0].lies.clear()
    await net.submit(Heartbeat(NODE.node))


async def test_a_chain_that_stands_still_is_not_written_to():
    async with network() as net:
        await net.stop()
        await net.open(replace(SETTINGS, watch=replace(SETTINGS.watch, stale=3.0)))
        await asyncio.sleep(3.2)
        with pytest.raises(UnavailableError, match="nothing is judged or sent"):
            await net.submit(Heartbeat(NODE.node))
        await net.evm.call("evm_setIntervalMining", 1)
        await _until(lambda: not net.chain.endpoints.problem())


async def test_other_code_is_refused_at_the_start(net):
    await net.stop()
    await net.evm.call("anvil_setCode", data(net.pins.contract), "0x6001")
    with pytest.raises(ConfigError, match=r"has the code 0x.* chain\.code_hash is 0x"):
        await net.open()


def _unavailable(_):
    raise UnavailableError("cut")


def _refused(_):
    selector = next(key for key, (_, refusal) in ERRORS.items() if refusal is Refusal.NODE_UNKNOWN)
    raise RpcError(3, "execution reverted", selector + bytes(32))


async def _until(look):
    for _ in range(500):
        if look():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come")


async def _until_async(look):
    for _ in range(500):
        if await look():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come")
