import asyncio
from dataclasses import replace

import pytest

from xdb.blockchain.ethereum.checkpoint import Checkpoint
from xdb.blockchain.ethereum.config import WatchConfig
from xdb.blockchain.ethereum.endpoints import Endpoints
from xdb.blockchain.ethereum.http import HttpRpc
from xdb.blockchain.ethereum.rpc import RpcError, name_of, result_of
from xdb.errors import ConfigError, CorruptFileError, IntegrityError, UnavailableError
from xdb.store.kv_memory import MemoryKeyValue
from xdb.testing.clock import FakeClock
from xdb.testing.ethereum import CHAIN, FakeEthereum, FakeRpc

WATCH = WatchConfig(quorum=2, stale=300, ahead=60, lag=3)


class Net:
    def __init__(self, count=3, quorum=2):
        self.chain = FakeEthereum()
        self.chain.mine(20)
        self.clock = FakeClock(self.chain.time)
        self.rpcs = [FakeRpc(self.chain, f"e{number}") for number in range(count)]
        self.kv = MemoryKeyValue()
        self.config = replace(WATCH, quorum=quorum)
        self.start()

    def start(self):
        self.endpoints = Endpoints(self.rpcs, CHAIN, Checkpoint(self.kv), self.clock, self.config)


@pytest.fixture
def net():
    return Net()


def another_branch():
    """A chain with other blocks of the same numbers."""
    other = FakeEthereum(salt=1)
    other.mine(20)
    return other


async def test_they_agree(net):
    await net.endpoints.refresh()
    assert net.endpoints.head.number == 20
    assert net.endpoints.final.number == 16
    assert net.endpoints.trouble == {}


async def test_looks_at_once_do_not_meet(net):
    await asyncio.gather(*(net.endpoints.refresh() for _ in range(5)))
    net.chain.mine(3)
    await asyncio.gather(*(net.endpoints.refresh() for _ in range(5)))
    assert net.endpoints.final.number == 19


async def test_one_that_is_down_is_named_and_comes_back(net):
    net.rpcs[0].down = True
    await net.endpoints.refresh()
    assert net.endpoints.trouble == {"e0": "e0 is down"}
    assert net.endpoints.head.number == 20
    net.rpcs[0].down = False
    await net.endpoints.refresh()
    assert net.endpoints.trouble == {}


async def test_too_few_are_too_few(net):
    net.rpcs[0].down = net.rpcs[1].down = True
    with pytest.raises(UnavailableError, match="e0 is down; e1: e1 is down"):
        await net.endpoints.refresh()
    with pytest.raises(UnavailableError, match="too few"):
        _ = net.endpoints.head
    net.rpcs[0].down = False
    await net.endpoints.refresh()
    assert net.endpoints.head.number == 20


async def test_one_that_hangs_is_left(net):
    async def hang(*_):
        await net.clock.sleep(10**6)

    net.rpcs[0].call = hang
    looking = asyncio.create_task(net.endpoints.refresh())
    await net.clock.advance(net.config.answer + 1)
    await looking
    assert "no answer to" in net.endpoints.trouble["e0"]


async def test_one_that_lags_is_set_aside(net):
    net.rpcs[1].behind = 4
    await net.endpoints.refresh()
    assert net.endpoints.trouble == {"e1": "is 4 blocks behind the others"}
    net.rpcs[1].behind = 3
    await net.endpoints.refresh()
    assert net.endpoints.trouble == {}
    assert net.endpoints.head.number == 20


async def test_one_that_runs_ahead_with_blocks_of_its_own_is_not_followed(net):
    ahead = another_branch()
    ahead.mine(1000)
    net.rpcs[2].chain = ahead
    await net.endpoints.refresh()
    assert net.endpoints.head.hash == net.chain.blocks[20].hash
    assert net.endpoints.final.hash == net.chain.blocks[16].hash
    assert "another final block 16" in net.endpoints.trouble["e2"]


async def test_a_liar_among_two_stops_everything(net):
    net = Net(2)
    net.rpcs[1].chain = another_branch()
    with pytest.raises(UnavailableError, match="does not agree on the final block 16"):
        await net.endpoints.refresh()
    assert net.endpoints.final is None
    assert "too few" in net.endpoints.problem()


async def test_a_liar_about_what_was_final_is_set_aside(net):
    await net.endpoints.refresh()
    net.rpcs[0].chain = another_branch()
    net.rpcs[0].chain.mine(5)
    net.chain.mine(5)
    await net.endpoints.refresh()
    assert "another block 16, which was final" in net.endpoints.trouble["e0"]
    assert net.endpoints.final.hash == net.chain.blocks[21].hash


async def test_a_final_block_is_never_given_up(net):
    await net.endpoints.refresh()
    net.start()
    other = another_branch()
    for rpc in net.rpcs:
        rpc.chain = other
    with pytest.raises(IntegrityError, match="3 Ethereum endpoints agree that block 16 is not"):
        await net.endpoints.refresh()
    assert net.endpoints.final.hash == net.chain.blocks[16].hash


async def test_endpoints_that_lost_final_blocks_are_waited_for(net):
    await net.endpoints.refresh()
    for rpc in net.rpcs:
        rpc.behind = 10
    with pytest.raises(UnavailableError, match="does not have block 16, which was final"):
        await net.endpoints.refresh()
    assert net.endpoints.final.number == 16


async def test_endpoints_of_one_host_are_told_apart(net):
    for rpc in net.rpcs:
        rpc.name = "host"
    net.start()
    net.rpcs[1].down = True
    await net.endpoints.refresh()
    assert net.endpoints.names == ("host", "host (2)", "host (3)")
    assert list(net.endpoints.trouble) == ["host (2)"]


async def test_another_chain_is_told(net):
    net.rpcs[1].chain_id = 1
    await net.endpoints.refresh()
    assert net.endpoints.trouble == {"e1": f"is on chain 1, not {CHAIN}"}


async def test_a_fork_at_the_head_leaves_the_newest_common_block(net):
    net = Net(2)
    other = FakeEthereum()
    other.mine(18)
    other.salt = 5
    other.mine(2)
    net.rpcs[1].chain = other
    await net.endpoints.refresh()
    assert net.endpoints.head.number == 18


async def test_a_chain_that_stands_still_is_not_judged(net):
    await net.endpoints.refresh()
    await net.clock.advance(301)
    await net.endpoints.refresh()
    with pytest.raises(UnavailableError, match=r"is 3\d\d s old: nothing is judged or sent"):
        _ = net.endpoints.head
    net.chain.time = int(net.clock.wall())
    net.chain.mine()
    await net.endpoints.refresh()
    assert net.endpoints.head.number == 21


async def test_a_clock_that_is_behind_is_told(net):
    net.clock.jump(-200)
    await net.endpoints.refresh()
    assert "set the clock" in net.endpoints.problem()


async def test_agreement_counts_equal_answers(net):
    await net.endpoints.refresh()
    net.rpcs[0].lie = lambda *_: "0x1"
    assert await net.endpoints.agreed(lambda e: e.call("eth_getBalance", "0x", "latest")) != "0x1"
    net.rpcs[1].lie = lambda *_: "0x2"
    with pytest.raises(UnavailableError, match="3 different answers"):
        await net.endpoints.agreed(lambda e: e.call("eth_getBalance", "0x", "latest"))


async def test_agreement_on_a_refusal(net):
    def revert(*_):
        raise RpcError(3, "execution reverted", b"\1")

    await net.endpoints.refresh()
    for rpc in net.rpcs[:2]:
        rpc.lie = revert
    with pytest.raises(RpcError):
        await net.endpoints.agreed(
            lambda e: e.call("eth_getBalance", "0x", "latest"), refusing=True
        )
    with pytest.raises(UnavailableError, match="execution reverted"):
        await net.endpoints.agreed(lambda e: e.call("eth_getBalance", "0x", "latest"))
    with pytest.raises(RpcError):
        await net.endpoints.first(lambda e: e.call("eth_getBalance", "0x", "latest"), refusing=True)
    assert await net.endpoints.ask("eth_getBalance", "0x", "latest") == hex(net.chain.balance)


async def test_the_first_that_answers_does(net):
    await net.endpoints.refresh()
    net.rpcs[0].down = True
    assert await net.endpoints.ask("eth_chainId") == hex(CHAIN)
    for rpc in net.rpcs:
        rpc.down = True
    with pytest.raises(UnavailableError, match="no Ethereum endpoint answers: e0: e0 is down; e1"):
        await net.endpoints.ask("eth_chainId")


async def test_nonsense_is_set_aside(net):
    net.rpcs[0].lie = lambda method, _, answer: {} if "Block" in method else answer
    net.rpcs[1].lie = lambda method, _, answer: "" if "chainId" in method else answer
    with pytest.raises(UnavailableError, match=r"has no number.*a chain id is ''"):
        await net.endpoints.refresh()


def test_more_must_be_named_than_must_agree():
    with pytest.raises(ConfigError, match="2 endpoints have to agree and 1 are named"):
        Net(1)
    Net(1, quorum=1)


async def test_a_checkpoint_only_rises_and_damage_is_named(net):
    await net.endpoints.refresh()
    checkpoint = Checkpoint(net.kv)
    assert checkpoint.header.number == 16
    with pytest.raises(ValueError, match="down"):
        await checkpoint.raise_to(checkpoint.header)
    with pytest.raises(CorruptFileError, match="checkpoint is damaged"):
        Checkpoint(MemoryKeyValue({b"c/": b"x"}))


def test_names_hold_no_secret():
    assert name_of("https://user:pw@node.example:8545/v3/secretkey?k=1") == "node.example:8545"
    assert name_of("nonsense") == "?"


async def test_an_address_that_nobody_listens_at_is_told_without_its_secret():
    rpc = HttpRpc("http://127.0.0.1:9/secret", 2.0)
    with pytest.raises(UnavailableError, match=r"127.0.0.1:9 does not answer eth_chainId") as told:
        await rpc.call("eth_chainId")
    assert "secret" not in str(told.value)
    await rpc.close()


@pytest.mark.parametrize(
    ("answer", "octets"),
    [
        ({"error": {"code": 3, "message": "m", "data": "0x0102"}}, b"\1\2"),
        ({"error": {"code": 3, "message": "m", "data": {"data": "0x0102"}}}, b"\1\2"),
        ({"error": {"code": 3, "message": "m", "data": "Reverted 0x0102"}}, b"\1\2"),
        ({"error": {"code": "x", "message": None}}, b""),
        ({"error": "words"}, b""),
        ({"error": {"data": "words"}}, b""),
    ],
)
def test_errors_are_read_however_they_are_written(answer, octets):
    with pytest.raises(RpcError) as told:
        result_of(answer, "e")
    assert told.value.data == octets


@pytest.mark.parametrize("answer", [None, [], "x", {}])
def test_what_is_no_answer(answer):
    with pytest.raises(UnavailableError):
        result_of(answer, "e")
