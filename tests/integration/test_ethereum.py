"""The backend at a real EVM with the registry's contract."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from xdb.blockchain.ethereum.backend import Settings, open_ethereum
from xdb.blockchain.ethereum.config import FeeConfig, SendConfig, WatchConfig
from xdb.blockchain.ethereum.http import HttpRpc
from xdb.blockchain.ethereum.quantities import quantity
from xdb.core import merkle
from xdb.errors import RefusedCallError
from xdb.index.index import Index
from xdb.model.calls import (
    CreateNamespace,
    Delete,
    Extend,
    Heartbeat,
    Move,
    Publish,
    Release,
    Rename,
    Renew,
    Renewal,
    Resign,
    SetNodeState,
    Shrink,
    Surrender,
    UpdateNamespace,
    UpdateNode,
)
from xdb.model.refusal import Refusal
from xdb.model.registry import Coding, Endpoint, NodeState, Parameters, ProofScheme, Redundancy
from xdb.runtime.clock import SystemClock
from xdb.store.kv_memory import MemoryKeyValue
from xdb.testing.anvil import anvil, running_anvil
from xdb.testing.entropy import SeededEntropy
from xdb.testing.keys import NamedKey
from xdb.testing.registry import DAY, Draft, digest, namespace_call, node_call, tag

pytestmark = pytest.mark.skipif(anvil() is None, reason="no anvil: see tests/tools.py")

NODES = [NamedKey(f"n{number}") for number in range(4)]
ALICE = NamedKey("alice")
PARAMETERS = Parameters(start=0, retention=7 * DAY, leaf_size=1024)
SETTINGS = Settings(
    FeeConfig(daily=10**19),
    SendConfig(pause=0.02, patience=20),
    WatchConfig(pause=0.02, stale=10**9, ahead=10**9),
)


class Net:
    """An EVM, a node's view of the registry on it, and an index of that."""

    def __init__(self, evm, pins, kv):
        self.evm, self.pins, self.kv = evm, pins, kv

    async def open(self, settings=SETTINGS):
        rpcs = [HttpRpc(self.evm.url, 5.0) for _ in range(2)]
        self.chain = await open_ethereum(rpcs, self.pins, self.kv, SystemClock(), settings)
        self.index = Index(MemoryKeyValue(), self.chain.parameters, self.chain.deployment)
        self._tasks = [asyncio.create_task(work) for work in (self.chain.run(), self._feed())]

    async def close(self):
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.chain.close()

    async def _feed(self):
        async for item in self.chain.events().follow(0):
            await self.index.apply(item)

    async def call(self, key, call):
        included = await self.chain.registry(key, SeededEntropy()).submit(call)
        await self.index.reached(included.height)
        return included

    async def refused(self, key, call):
        with pytest.raises(RefusedCallError) as told:
            await self.call(key, call)
        return told.value.refusal

    @property
    def now(self):
        return self.index.head.time

    async def publish(self, title, nodes=(0, 1), **changes):
        draft = Draft(self.chain.deployment, ALICE, title)
        new = draft.new(
            [NODES[number] for number in nodes], expiry=self.now + DAY, valid_until=self.now + 3000
        )
        await self.call(ALICE, Publish((replace(new, **changes),)))
        return draft

    async def population(self):
        for node in NODES:
            await self.call(node, node_call(node))
        await self.call(ALICE, namespace_call("ns"))


@asynccontextmanager
async def network(*options):
    async with asyncio.timeout(100), running_anvil("--slots-in-an-epoch", "0", *options) as evm:
        await evm.fund([key.address for key in (*NODES, ALICE)])
        pins = await evm.deploy(PARAMETERS)
        net = Net(evm, pins, MemoryKeyValue())
        await net.open()
        yield net
        await net.close()


@pytest.fixture
async def net():
    async with network() as net:
        yield net


async def test_the_life_of_a_node(net):
    node = NODES[0]
    await net.call(node, node_call(node))
    record = net.index.node_record(node.node)
    assert record.endpoint == node_call(node).endpoint
    assert record.capacity == 2**40
    assert await net.refused(node, node_call(node)) == Refusal.NODE_EXISTS
    assert await net.refused(NODES[1], UpdateNode(zone="x")) == Refusal.NODE_UNKNOWN
    endpoint = Endpoint("elsewhere:1", digest("c1"), digest("c2"))
    await net.call(node, UpdateNode(endpoint=endpoint, operator="me", zone="here"))
    await net.call(node, UpdateNode(signer=NODES[3].address, capacity=7))
    record = net.index.node_record(node.node)
    assert (record.endpoint, record.operator, record.zone) == (endpoint, "me", "here")
    assert (record.signer, record.capacity) == (NODES[3].address, 7)
    await net.call(node, Heartbeat(node.node))
    await net.call(node, SetNodeState(NodeState.DRAINING))
    included = await net.call(node, Resign())
    assert net.index.node_record(node.node).resigned == included.time
    await net.call(node, SetNodeState(NodeState.LEFT))
    assert net.index.node_record(node.node).state is NodeState.LEFT
    assert net.index.poisoned == 0


async def test_namespaces(net):
    erasure = Redundancy(Coding.ERASURE, 2, 3)
    await net.call(ALICE, CreateNamespace(tag("a"), b"label", erasure, ProofScheme.MERKLE))
    assert net.index.namespace_record(ALICE.address, tag("a")).redundancy == erasure
    assert await net.refused(ALICE, namespace_call("a")) == Refusal.NAMESPACE_EXISTS
    await net.call(ALICE, UpdateNamespace(tag("a"), label=b"other"))
    assert net.index.namespace_label(ALICE.address, tag("a")) == b"other"
    four = Redundancy(Coding.ERASURE, 2, 4)
    await net.call(ALICE, UpdateNamespace(tag("a"), redundancy=four))
    assert net.index.namespace_record(ALICE.address, tag("a")).redundancy == four
    assert net.index.namespace_label(ALICE.address, tag("a")) == b"other"


async def test_the_life_of_a_file(net):
    await net.population()
    draft = await net.publish("one")
    view = net.index.file(draft.id)
    assert view.record.holders == (NODES[0].node, NODES[1].node)
    assert view.record.root == draft.root()
    assert view.label == b"label"
    await _rename(net, draft)
    await _move(net, draft)
    await _resize(net, draft)
    await _renew(net, draft)
    await net.call(NODES[2], Surrender(NODES[2].node, draft.id, 2))
    assert net.index.file(draft.id).lost == (2,)
    await net.call(ALICE, Delete(draft.id))
    assert net.index.file(draft.id).record.deleted
    assert await net.refused(ALICE, Release(draft.id)) == Refusal.NOT_GONE
    await net.evm.call("evm_increaseTime", 8 * DAY)
    await net.evm.mine()
    await net.index.reached(await net.chain.tip())
    await net.call(NODES[3], Release(draft.id))
    assert net.index.file(draft.id) is None
    assert net.index.poisoned == 0


async def _rename(net, draft):
    await net.call(ALICE, Rename(draft.id, tag("two"), b"other label"))
    assert net.index.file(draft.id).record.name == tag("two")
    assert await net.refused(NODES[0], Rename(draft.id, tag("x"), b"")) == Refusal.NOT_ALLOWED


async def _move(net, draft):
    soon = {"expiry": net.now + DAY, "valid_until": net.now + 3000}
    holder = draft.accepted(2, NODES[2], version=2, **soon)
    assert await net.refused(ALICE, Move(draft.id, 2, 2, holder)) == Refusal.VERSION
    stolen = replace(holder, signature=holder.signature[:-1] + bytes((1 - holder.signature[-1],)))
    assert await net.refused(ALICE, Move(draft.id, 1, 2, stolen)) == Refusal.RECEIPT
    await net.call(ALICE, Move(draft.id, 1, 2, holder))
    view = net.index.file(draft.id)
    assert view.record.version == 2
    assert view.record.holders == (NODES[0].node, NODES[2].node)


async def _resize(net, draft):
    soon = {"expiry": net.now + DAY, "valid_until": net.now + 3000}
    holder = draft.accepted(3, NODES[3], version=3, slots=3, **soon)
    leaves = [draft.manifest, *(draft.holding(slot).root for slot in (1, 2, 3))]
    siblings = merkle.path(leaves, 3)
    await net.call(ALICE, Extend(draft.id, 2, holder, _left(siblings, 3)))
    view = net.index.file(draft.id)
    assert view.record.root == draft.root(3)
    assert len(view.record.holders) == 3
    await net.call(ALICE, Shrink(draft.id, 3, _left(siblings, 3)))
    view = net.index.file(draft.id)
    assert view.record.root == draft.root(2)
    assert view.record.version == 4


def _left(siblings, place):
    return tuple(sibling for level, sibling in enumerate(siblings) if place >> level & 1)


async def _renew(net, draft):
    later = net.now + 3 * DAY
    soon = {"expiry": later, "valid_until": net.now + 3000}
    renewals = tuple(
        Renewal(slot, draft.accepted(slot, node, version=4, **soon))
        for slot, node in ((1, NODES[0]), (2, NODES[2]))
    )
    await net.call(ALICE, Renew(draft.id, later, renewals))
    view = net.index.file(draft.id)
    assert view.record.expiry == later
    assert [holding.latest_expiry for holding in view.holdings] == [later, later]


async def test_many_files_in_one_call(net):
    await net.population()
    drafts = [Draft(net.chain.deployment, ALICE, f"file {number}") for number in range(5)]
    news = tuple(
        draft.new(NODES[:2], expiry=net.now + DAY, valid_until=net.now + 3000) for draft in drafts
    )
    await net.call(ALICE, Publish(news))
    assert all(net.index.file(draft.id) is not None for draft in drafts)
    again = await net.refused(ALICE, Publish(news[:1]))
    assert again == Refusal.FILE_EXISTS
    for file, draft in enumerate(drafts):
        for slot, node in enumerate(NODES[:2], start=1):
            stand = net.chain.store.mirror.file(draft.id).places[slot - 1].stand
            segment = net.chain.store.mirror.segment(node.node, stand.index)
            assert (segment.file, segment.slot, stand.index) == (draft.id, slot, file)


async def test_a_receipt_dated_by_a_block_that_has_not_come_here(net):
    await net.population()
    later = net.now + 60
    until = later + PARAMETERS.receipt_validity
    draft = Draft(net.chain.deployment, ALICE, "file")
    new = draft.new(NODES[:2], expiry=net.now + DAY, valid_until=until)
    published = asyncio.create_task(net.call(ALICE, Publish((new,))))
    await asyncio.sleep(0.5)
    assert not published.done()
    await net.evm.call("evm_setNextBlockTimestamp", quantity(later))
    await net.evm.mine()
    await published
    assert net.index.file(draft.id) is not None


async def test_a_replacement(net):
    await net.population()
    old = await net.publish("old", name=tag("name"))
    new = await net.publish("new", name=tag("name"), replaces=old.id)
    assert net.index.file(old.id).record.deleted
    assert net.index.live_file(ALICE.address, tag("ns"), tag("name")).record.file == new.id
    assert net.index.poisoned == 0


async def test_calls_that_build_on_each_other_at_once(net):
    for node in NODES:
        await net.call(node, node_call(node))
    await net.evm.call("evm_setAutomine", False)
    first = asyncio.create_task(net.call(ALICE, namespace_call("ns")))
    await asyncio.sleep(0.3)
    second = asyncio.create_task(net.publish("one"))
    await asyncio.sleep(0.3)
    assert not first.done()
    await net.evm.call("evm_setAutomine", True)
    await net.evm.mine()
    await first
    draft = await second
    assert net.index.file(draft.id) is not None


async def test_a_restarted_node_goes_on_where_it_was(net):
    await net.population()
    draft = await net.publish("one")
    await net.close()
    await net.evm.mine(3)
    await net.open()
    await net.index.reached(await net.chain.tip())
    await net.call(ALICE, Rename(draft.id, tag("other"), b""))
    assert net.index.file(draft.id).record.name == tag("other")
