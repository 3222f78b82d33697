import asyncio

import pytest

from xdb.blockchain.ethereum.checkpoint import Checkpoint
from xdb.blockchain.ethereum.config import FeeConfig, SendConfig, WatchConfig
from xdb.blockchain.ethereum.endpoints import Endpoints
from xdb.blockchain.ethereum.journal import Journal
from xdb.blockchain.ethereum.market import AccountView
from xdb.blockchain.ethereum.sender import Sender
from xdb.errors import TimeoutExpiredError, UnavailableError
from xdb.store.kv_memory import MemoryKeyValue
from xdb.testing.clock import FakeClock, settle
from xdb.testing.ethereum import CHAIN, ETHER, GWEI, FakeEthereum, FakeRpc
from xdb.testing.keys import NamedKey

KEY, CONTRACT = NamedKey("sender"), NamedKey("contract").address
FEES = FeeConfig(most=100 * GWEI, least_tip=GWEI, most_tip=2 * GWEI, daily=ETHER)
SEND = SendConfig(patience=60, rebroadcast=30, replace_after=90)


class Net:
    """A chain behind two endpoints, and one key that sends."""

    def __init__(self, fees=FEES):
        self.chain = FakeEthereum()
        self.chain.mine(10)
        self.clock = FakeClock(self.chain.time)
        self.rpcs = [FakeRpc(self.chain, "one"), FakeRpc(self.chain, "two")]
        self.kv = MemoryKeyValue()
        self.fees = fees
        self.start()

    def start(self):
        """What a process has; again after a restart."""
        watch = WatchConfig(stale=10_000, ahead=10_000)
        self.endpoints = Endpoints(self.rpcs, CHAIN, Checkpoint(self.kv), self.clock, watch)
        self.journal = Journal(self.kv, KEY.address)
        view = AccountView(self.endpoints, KEY.address)
        self.sender = Sender(CHAIN, KEY, view, self.journal, self.clock, self.fees, SEND)

    async def send(self, octets=b"call"):
        await self.endpoints.refresh()
        return await self.sender.send(CONTRACT, octets, 100_000)

    async def step(self, seconds=0):
        await self.clock.advance(seconds)
        await self.endpoints.refresh()
        await self.sender.step()

    async def mine(self, count=1):
        self.chain.mine(count)
        await self.step()

    def taken(self):
        """The calls that took effect, in order."""
        return [one.data for block in self.chain.blocks for one in block.transactions]


@pytest.fixture
async def net():
    return Net()


async def test_it_is_written_down_before_it_is_sent(net):
    net.rpcs[0].down = False
    seen = []

    def lie(method, _, answer):
        if method == "eth_sendRawTransaction":
            seen.append([entry.nonce for entry in Journal(net.kv, KEY.address).entries])
        return answer

    net.rpcs[0].lie = lie
    await net.send()
    assert seen == [[0]]


async def test_sent_included_final_forgotten(net):
    sent = await net.send()
    assert net.sender.waiting == (0,)
    await net.mine()
    receipt = await net.sender.included(sent)
    assert receipt.succeeded
    assert receipt.number == 11
    assert [entry.nonce for entry in net.journal.entries] == [0], "it may still be taken back"
    await net.mine(4)
    assert net.journal.entries == []
    assert net.journal.spent(int(net.clock.wall())) == receipt.cost


async def test_nonces_follow_each_other_and_calls_at_once_do_not_share_one(net):
    await net.endpoints.refresh()
    sent = await asyncio.gather(*(net.sender.send(CONTRACT, b"%d" % n, 50_000) for n in range(20)))
    assert sorted(one.nonce for one in sent) == list(range(20))
    await net.mine()
    assert len(net.taken()) == 20


async def test_after_a_restart_it_goes_on_and_nothing_is_made_twice(net):
    await net.send()
    net.chain.pool.clear()
    net.start()
    await net.endpoints.refresh()
    adopted = await net.sender.adopted(CONTRACT, b"call", once=False)
    assert adopted is not None
    assert adopted.nonce == 0
    assert await net.sender.adopted(CONTRACT, b"another", once=False) is None
    await net.step()
    await net.mine()
    await net.sender.included(adopted)
    assert net.taken() == [b"call"]
    assert (await net.send(b"next")).nonce == 1


async def test_what_somebody_waits_for_is_not_adopted(net):
    sent = await net.send()
    waiting = asyncio.create_task(net.sender.included(sent))
    await settle()
    assert await net.sender.adopted(CONTRACT, b"call", once=True) is None
    waiting.cancel()


async def test_what_was_undone_since_is_made_anew(net):
    await net.send(b"online")
    await net.send(b"offline")
    net.start()
    await net.endpoints.refresh()
    assert await net.sender.adopted(CONTRACT, b"online", once=False) is None
    assert (await net.sender.adopted(CONTRACT, b"online", once=True)).nonce == 0
    assert (await net.sender.adopted(CONTRACT, b"offline", once=False)).nonce == 1


async def test_what_is_in_a_block_is_not_adopted_even_before_that_was_looked_at(net):
    await net.send(b"online")
    net.chain.mine()
    net.start()
    await net.endpoints.refresh()
    assert net.journal.entries
    assert await net.sender.adopted(CONTRACT, b"online", once=True) is None


async def test_what_is_dropped_is_sent_again(net):
    sent = await net.send()
    net.chain.pool.clear()
    await net.step(29)
    assert not net.chain.pool
    await net.step(2)
    await net.mine()
    assert (await net.sender.included(sent)).succeeded


async def test_no_receipt_means_unknown(net):
    sent = await net.send()
    waiting = asyncio.create_task(net.sender.included(sent))
    await settle()
    await net.clock.advance(61)
    with pytest.raises(TimeoutExpiredError, match=r"nonce 0 .* goes on being sent"):
        await waiting
    await net.mine()
    assert net.taken() == [b"call"]


async def test_one_that_waits_too_long_is_replaced_for_more_and_counts_once(net):
    net.chain.base_fee = 10 * GWEI
    sent = await net.send()
    first = net.journal.entry(0).last
    await net.step(91)
    better = net.journal.entry(0).last
    assert better.fee * 100 >= first.fee * 115
    assert better.tip * 100 >= first.tip * 115
    assert [one.hash for one in net.chain.pool.values()] == [better.hash]
    await net.mine()
    assert (await net.sender.included(sent)).transaction == better.hash


async def test_the_first_version_counts_when_a_block_has_it(net):
    sent = await net.send()
    first = dict(net.chain.pool)
    await net.step(91)
    net.chain.pool = first
    await net.mine()
    assert (await net.sender.included(sent)).transaction == net.journal.entry(0).attempts[0].hash
    assert net.taken() == [b"call"]


async def test_a_spike_beyond_the_offer_is_followed_up_to_the_cap(net):
    sent = await net.send()
    net.chain.base_fee = 45 * GWEI
    net.chain.mine()
    await net.step()
    assert net.journal.entry(0).last.fee == 91 * GWEI
    net.chain.base_fee = 300 * GWEI
    net.chain.mine(5)
    await net.step(1000)
    assert net.journal.entry(0).last.fee <= FEES.most
    assert sent.receipt is None
    net.chain.base_fee = 80 * GWEI
    net.chain.mine()
    await net.step(60)
    await net.mine()
    assert (await net.sender.included(sent)).succeeded


async def test_nothing_new_is_sent_while_it_is_too_dear(net):
    net.chain.base_fee = 300 * GWEI
    net.chain.mine()
    with pytest.raises(UnavailableError, match=r"more than chain\.fees\.most allows"):
        await net.send()
    assert net.journal.entries == []


async def test_a_daily_cap():
    net = Net(FeeConfig(most=100 * GWEI, least_tip=GWEI, most_tip=GWEI, daily=5 * 10**15))
    await net.send(b"one")  # 100,000 gas at 21 gwei: 0.0021 ether at most
    await net.send(b"two")
    with pytest.raises(UnavailableError, match=r"chain\.fees\.daily allows 0\.005 ether"):
        await net.send(b"three")
    await net.mine(6)
    await net.send(b"three")  # the others cost less in the end
    await net.mine(6)
    await net.clock.advance(86_400)
    net.chain.time = int(net.clock.wall())
    net.chain.mine()
    for number in range(2):
        await net.send(b"%d" % number)


async def test_out_of_funds_names_address_and_amount(net):
    net.chain.balance = GWEI
    with pytest.raises(UnavailableError, match=rf"0x{KEY.address.hex()} needs 0\.0021 ether"):
        await net.send()
    assert net.journal.entries == []


async def test_funds_that_go_missing_are_named_and_the_queue_drains_when_they_come(net):
    sent = await net.send(b"one")
    net.chain.pool.clear()
    net.chain.balance = 0
    await net.step(31)
    assert f"0x{KEY.address.hex()} needs" in sent.trouble
    net.chain.balance = ETHER
    await net.step(31)
    await net.mine()
    assert net.taken() == [b"one"]


async def test_a_node_that_wants_more_gets_more(net):
    net.chain.minimum = 22 * GWEI
    sent = await net.send()
    assert "underpriced" in sent.trouble
    await net.step()
    assert net.journal.entry(0).last.fee >= 22 * GWEI
    await net.mine()
    assert net.taken() == [b"call"]


async def test_already_known_is_fine(net):
    sent = await net.send()
    await net.step(31)
    assert not sent.trouble


async def test_a_lost_answer_makes_no_second_one(net):
    for rpc in net.rpcs:
        rpc.answers_lost = 1
    net.rpcs[1].deaf = True
    sent = await net.send()
    assert "the answer was lost" in sent.trouble
    await net.step(31)
    await net.mine()
    assert net.taken() == [b"call"]


async def test_gaps_are_filled_so_that_later_ones_can_go(net):
    await net.send(b"one")
    await net.send(b"two")
    net.chain.pool.clear()
    await net.journal.settle(0, 0, 0)  # as after a journal that was lost in part
    net.start()
    await net.step(31)
    assert [entry.data for entry in net.journal.entries] == [b"", b"two"]
    await net.mine()
    assert net.taken() == [b"", b"two"]


async def test_no_gap_is_filled_while_another_program_fills_it(net):
    await net.send(b"one")
    await net.send(b"two")
    await net.journal.settle(0, 0, 0)
    net.start()
    await net.step(31)
    assert [entry.nonce for entry in net.journal.entries] == [1]


async def test_a_nonce_that_another_program_used_is_given_up_once_that_is_final(net):
    sent = await net.send(b"mine")
    net.chain.pool.clear()
    other = Net()
    await other.send(b"foreign")
    net.chain.pool = other.chain.pool
    waiting = asyncio.create_task(net.sender.included(sent))
    await net.mine()
    assert not waiting.done(), "a reorganisation may still let ours in"
    await net.mine(4)
    with pytest.raises(UnavailableError, match="another transaction used nonce 0"):
        await waiting
    assert net.journal.entries == []
    assert (await net.send(b"mine")).nonce == 1


@pytest.mark.parametrize("depth", range(1, 4))
@pytest.mark.parametrize("drop", [False, True], ids=["waits again", "dropped"])
async def test_reorganised_out_it_comes_back_once(net, depth, drop):
    sent = await net.send()
    await net.mine(depth)
    assert (await net.sender.included(sent)).number == 11
    net.chain.reorganise(depth, drop=drop)
    await net.step()
    assert sent.receipt is None
    await net.mine()
    assert (await net.sender.included(sent)).number == 11 + depth
    await net.mine(5)
    assert net.taken() == [b"call"]
    assert net.journal.entries == []


async def test_one_endpoint_that_lies_about_a_receipt_is_not_believed(net):
    sent = await net.send()
    net.rpcs[1].lie = lambda method, _, answer: (
        None if method == "eth_getTransactionReceipt" else answer
    )
    net.chain.mine()
    await net.endpoints.refresh()
    with pytest.raises(UnavailableError, match="2 different answers"):
        await net.sender.step()
    assert sent.receipt is None


async def test_one_that_swallows_transactions_does_not_stop_them(net):
    net.rpcs[0].deaf = True
    await net.send()
    await net.mine()
    assert net.taken() == [b"call"]
