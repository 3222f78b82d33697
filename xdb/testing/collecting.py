"""A registry whose nodes store real bytes and collect what nobody can ask for any more."""

from collections.abc import Callable
from dataclasses import dataclass, field

from xdb.core import merkle
from xdb.index.index import Index
from xdb.model.calls import Delete, Move, Publish, Release, Renew, Renewal, Shrink
from xdb.model.ids import FileId, NodeId
from xdb.model.registry import Holder
from xdb.model.storage import SlotRef
from xdb.services.collection import Collection
from xdb.store.kv_memory import MemoryKeyValue
from xdb.store.replicas import ReplicaStore
from xdb.store.room import RoomConfig
from xdb.tasks.collector import CollectorReport, CollectorTask
from xdb.testing.audits import LEAF, AuditWorld, RealDraft
from xdb.testing.clock import FakeClock
from xdb.testing.compute import InlineCompute
from xdb.testing.disk import MemoryDisk
from xdb.testing.keys import NamedKey
from xdb.testing.registry import DAY, START, TWO_COPIES, nonce

MANIFEST = b"manifest"


@dataclass
class Keeper:
    """A storage node: its store, and its collector, which a restart makes anew."""

    node: NodeId
    index: Index
    time: Callable[[], int]
    disk: MemoryDisk = field(default_factory=MemoryDisk)
    kv: MemoryKeyValue = field(default_factory=MemoryKeyValue)
    clock: FakeClock = field(default_factory=lambda: FakeClock(START))
    store: ReplicaStore = field(init=False)
    task: CollectorTask = field(init=False)

    def __post_init__(self) -> None:
        """Starts it."""
        self.restart()

    def restart(self) -> None:
        """Everything in memory is gone."""
        self.store = ReplicaStore(
            self.disk, self.kv, InlineCompute(), RoomConfig(1 << 30), LEAF, self.time
        )
        self.task = CollectorTask(Collection(self.node, self.index), self.store, self.clock)


class Collecting(AuditWorld):
    """Its nodes follow the chain with one index, fed after every call by `follow`."""

    def __init__(self, *, nodes: int = 4, draws: int = 12, lag: int = 0) -> None:
        super().__init__(nodes=nodes, draws=draws, lag=lag)
        self.index = Index(MemoryKeyValue(), self.parameters, self.chain.deployment)
        self.keepers = {
            key.node: Keeper(key.node, self.index, lambda: self.index.head.time)
            for key in self.nodes
        }

    async def follow(self) -> None:
        """The index takes in everything there is."""
        last = self.chain.head
        async for item in self.chain.events().follow(self.index.head.height):
            await self.index.apply(item)
            head = self.index.head
            if head.height == last.height and head.final >= last.final:
                return

    async def pass_time(self, seconds: int) -> None:
        """Time passes, and a block is made."""
        self.chain.advance(seconds)
        await self.follow()

    async def roll_back(self, blocks: int) -> None:
        """The newest blocks are undone; the next one is a different one."""
        self.chain.roll_back(self.chain.head.height - blocks)
        await self.follow()

    async def collect(self, node: NamedKey) -> CollectorReport:
        """One cycle of a node's collector."""
        await self.follow()
        return await self.keepers[node.node].task.run_once()

    def has(self, node: NamedKey, file: FileId, slot: int) -> bool:
        """Whether a node still has the bytes of a slot."""
        return self.keepers[node.node].store.slot(file, slot) is not None

    # ------------------------------------------------------------ what owners do

    async def store(self, node: NamedKey, draft: RealDraft, slot: int) -> Holder | None:
        """A node takes a slot in; its receipt, if custody would give one, for the next version."""
        await self.follow()
        store = self.keepers[node.node].store
        ref = SlotRef(draft.id, slot, draft.owner.address, nonce(draft.title))
        for piece, data in enumerate(draft.replicas(slot)):
            await store.put(ref, piece, draft.commitments(slot)[piece], data)
        await store.put_manifest(ref, MANIFEST)
        view, stored = self.index.file(draft.id), store.slot(draft.id, slot)
        assert stored is not None
        until = self.now + self.parameters.receipt_validity
        holders = () if view is None else view.record.holders
        if slot > len(holders) or holders[slot - 1] != node.node:
            until = min(until, stored.since + self.parameters.stray_grace)
        if until <= self.now:
            return None
        return draft.accepted(
            slot,
            node,
            expiry=self.now + 300 * DAY,
            valid_until=until,
            version=1 if view is None else view.record.version + 1,
            slots=len(holders) or None,
        )

    async def upload(self, title: str, *, life: int = 30 * DAY) -> RealDraft:
        """A file of two copies with the first two nodes."""
        draft = RealDraft(self.chain.deployment, self.alice, title, TWO_COPIES)
        for slot, node in enumerate(self.nodes[:2], start=1):
            await self.store(node, draft, slot)
        new = draft.new(self.nodes[:2], expiry=self.now + life, valid_until=self.now)
        self.call(self.alice, Publish((new,)))
        self.drafts[draft.id] = draft
        await self.follow()
        return draft

    async def move(self, draft: RealDraft, slot: int, target: NamedKey) -> bool:
        """Another node takes a slot over; False when it gives no receipt."""
        holder = await self.store(target, draft, slot)
        if holder is None:
            return False
        self.call(self.alice, Move(draft.id, self.record(draft.id).version, slot, holder))
        await self.follow()
        return True

    async def shrink(self, draft: RealDraft) -> None:
        """The last copy less."""
        record = self.record(draft.id)
        slots = range(1, record.redundancy.total + 1)
        leaves = [draft.manifest, *(draft.holding(slot).root for slot in slots)]
        call = Shrink(draft.id, record.version, merkle.shrink_siblings(leaves))
        self.call(self.alice, call)
        await self.follow()

    async def delete(self, draft: RealDraft) -> None:
        """Retention begins."""
        self.call(self.alice, Delete(draft.id))
        await self.follow()

    async def renew(self, draft: RealDraft, expiry: int) -> None:
        """Live again, with new receipts of all holders."""
        record, total = self.record(draft.id), self.record(draft.id).redundancy.total
        by_node = {key.node: key for key in self.nodes}
        renewals = tuple(
            Renewal(
                slot,
                draft.accepted(
                    slot,
                    by_node[record.holders[slot - 1]],
                    expiry=expiry,
                    valid_until=self.now,
                    version=record.version,
                    slots=total,
                ),
            )
            for slot in range(1, total + 1)
        )
        self.call(self.alice, Renew(draft.id, expiry, renewals))
        await self.follow()

    async def release(self, draft: RealDraft) -> None:
        """The record of a file that is gone is dropped."""
        self.call(self.bob, Release(draft.id))
        await self.follow()
