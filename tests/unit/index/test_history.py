import asyncio
from dataclasses import replace

import pytest

from xdb.errors import ConfigError, CorruptFileError, IntegrityError
from xdb.index.index import Index
from xdb.index.keys import UNDO, undo_key
from xdb.model.events import (
    FileDeleted,
    FileExtended,
    FileMoved,
    FilePublished,
    FileReleased,
    FileRenamed,
    FileRenewed,
    FileShrunk,
    HeartbeatSeen,
    HoldingSurrendered,
    NamespaceUpdated,
    NodeRegistered,
    NodeResigned,
    NodeStateSet,
)
from xdb.model.ids import Deployment
from xdb.model.registry import NodeState, Parameters
from xdb.ports.blockchain import BlockEvents, Final, Head, Rollback
from xdb.store.kv_memory import MemoryKeyValue
from xdb.testing.registry import TWO_COPIES, digest, tag

GHOST = digest("ghost")
PARAMETERS = Parameters(start=0)


async def published(world):
    """The events of a file, and of what it needs."""
    world.publish(world.alice, "t0")
    found = []
    async for item in world.chain.events().follow(0):
        if isinstance(item, BlockEvents):
            found += item.events
            if item.height == world.chain.head.height:
                return found
    raise AssertionError


async def test_a_head_and_a_cursor_survive_a_restart(world):
    await world.follow()
    assert world.index.head == world.chain.head
    again = Index(world.kv, world.parameters)
    assert again.head == world.chain.head
    world.publish(world.alice, "t0")
    world.index = again
    await world.follow()
    assert again.head == world.chain.head
    assert len(again.files(world.alice.address).items) == 1


async def test_blocks_must_follow_each_other(world):
    await world.follow()
    before = dict(world.kv._values)
    height = world.index.head.height
    for wrong in (height, height + 2, 1):
        with pytest.raises(IntegrityError, match=f"cannot follow block {height}"):
            await world.index.apply(BlockEvents(wrong, world.now, ()))
    assert world.kv._values == before


async def test_an_index_of_something_else_is_refused(world):
    await world.follow()
    with pytest.raises(ConfigError, match="made again from the chain"):
        Index(world.kv, replace(world.parameters, epoch=7))
    with pytest.raises(ConfigError, match="made again from the chain"):
        Index(world.kv, world.parameters, world.chain.deployment)
    kv = MemoryKeyValue()
    await Index(kv, world.parameters, world.chain.deployment).apply(BlockEvents(1, 1, ()))
    other = Deployment(world.chain.deployment.chain[::-1], world.chain.deployment.contract)
    with pytest.raises(ConfigError, match="another chain"):
        Index(kv, world.parameters, other)


async def test_a_damaged_index_says_so(world):
    await world.follow()
    key = b"n" + world.nodes[0].node
    await world.kv.write({key: world.kv.get(key)[:-1]}, sync=True)
    with pytest.raises(CorruptFileError, match="remove its directory"):
        world.index.nodes()
    beat = HeartbeatSeen(world.nodes[0].node)
    with pytest.raises(CorruptFileError):
        await world.index.apply(BlockEvents(world.index.head.height + 1, world.now, (beat,)))


# ---------------------------------------------------------------- finality


async def test_what_is_not_final_can_be_undone(world):
    world.chain._lag = 3
    await world.follow()
    before = dict(world.kv._values)
    world.publish(world.alice, "t0")
    await world.follow()
    assert world.index.files(world.alice.address).items
    world.chain.roll_back(world.chain.head.height - 1)
    await world.follow()
    assert world.index.files(world.alice.address).items == ()
    after = dict(world.kv._values)
    assert {k: v for k, v in after.items() if k[:1] != UNDO and k != b"me"} == {
        k: v for k, v in before.items() if k[:1] != UNDO and k != b"me"
    }


async def test_what_is_final_cannot(world):
    await world.follow()
    with pytest.raises(IntegrityError, match="was final"):
        await world.index.apply(Rollback(world.index.head.height - 1))
    await world.index.apply(Rollback(world.index.head.height + 5))
    assert world.index.head == world.chain.head


async def test_undo_records_are_kept_until_a_block_is_final():
    index = Index(kv := MemoryKeyValue(), PARAMETERS)
    for height in range(1, 6):
        await index.apply(BlockEvents(height, height, ()))
    assert len(list(kv.scan(UNDO))) == 5
    await index.apply(Final(3))
    assert len(list(kv.scan(UNDO))) == 2
    assert index.head == Head(5, 5, 3)
    await index.apply(Final(2))
    assert index.head.final == 3


class Watching(MemoryKeyValue):
    """A store that remembers from where undo records were read."""

    def __init__(self):
        super().__init__()
        self.read_behind = []

    def scan(self, prefix, **options):
        if prefix == UNDO:
            self.read_behind.append(options.get("after"))
        return super().scan(prefix, **options)


async def test_undo_records_that_were_removed_are_not_looked_for_again():
    index = Index(kv := Watching(), PARAMETERS)
    for height in range(1, 6):
        await index.apply(BlockEvents(height, height, ()))
        await index.apply(Final(height - 1))
    assert kv.read_behind == [undo_key(height) for height in range(4)]
    again = Index(kv, PARAMETERS)
    await again.apply(Final(5))
    assert kv.read_behind[-1] == undo_key(4)
    assert not list(kv.scan(UNDO))


async def test_blocks_announced_as_final_need_no_undo_records():
    index = Index(kv := MemoryKeyValue(), PARAMETERS)
    await index.apply(Final(7))
    assert index.head == Head(0, 0, 0)
    for height in range(1, 6):
        await index.apply(BlockEvents(height, height, ()))
    assert not list(kv.scan(UNDO))
    assert index.head == Head(5, 5, 5)
    assert Index(kv, PARAMETERS).head == Head(5, 5, 5)


async def test_who_waits_is_woken():
    index = Index(MemoryKeyValue(), PARAMETERS)
    reached, settled = (
        asyncio.create_task(index.reached(2)),
        asyncio.create_task(index.settled(2)),
    )
    for height in (1, 2):
        await asyncio.sleep(0)
        assert not reached.done()
        await index.apply(BlockEvents(height, 1, ()))
    await reached
    assert not settled.done()
    await index.apply(Final(2))
    await settled


# ---------------------------------------------------------------- poison


async def test_an_event_that_makes_no_sense_hides_no_other(world):
    events = await published(world)
    holder = next(event for event in events if isinstance(event, FilePublished)).holders[0]
    node = world.nodes[0].node
    poison = [
        *events,  # for the second time
        FileRenewed(GHOST, 1, ()),
        FileRenamed(GHOST, tag("x"), b""),
        FileDeleted(GHOST),
        FileMoved(GHOST, 1, node, holder, 2),
        FileExtended(GHOST, 3, holder, GHOST, 2),
        FileReleased(GHOST),
        FileMoved(world.draft(world.alice, "t0").id, 9, node, holder, 2),
        FileExtended(world.draft(world.alice, "t0").id, 9, holder, GHOST, 2),
        FileShrunk(GHOST, 2, world.nodes[1].node, GHOST, 2),
        FileShrunk(world.draft(world.alice, "t0").id, 1, node, GHOST, 2),
        FileShrunk(world.draft(world.alice, "t0").id, 2, node, GHOST, 2),
        HeartbeatSeen(GHOST[:20]),
        NodeStateSet(GHOST[:20], NodeState.LEFT),
        NodeResigned(node, 0),  # resigned before time began
        NodeRegistered(GHOST[:20], b"short", None, "", "", 0),
        NamespaceUpdated(world.alice.address, tag("nothing"), b"", TWO_COPIES),
        HoldingSurrendered(world.nodes[3].node, world.draft(world.alice, "t0").id, 1),
    ]
    await world.follow()
    before = {k: v for k, v in world.kv._values.items() if k not in (b"mc", b"me")}
    height = world.index.head.height
    await world.index.apply(Final(height + 2))
    await world.index.apply(BlockEvents(height + 1, world.now, tuple(poison)))
    assert world.index.poisoned == len(poison)
    after = {k: v for k, v in world.kv._values.items() if k not in (b"mc", b"me")}
    assert before == after
    await world.index.apply(
        BlockEvents(height + 2, world.now + 1, (FileDeleted(GHOST), HeartbeatSeen(node)))
    )
    assert world.index.node(node).last_heartbeat == world.now + 1
    assert world.index.poisoned == len(poison) + 1
    assert Index(world.kv, world.parameters).poisoned == len(poison) + 1


async def test_poison_leaves_nothing_half_done(world):
    events = await published(world)
    await world.follow()
    event = next(event for event in events if isinstance(event, FilePublished))
    bad = replace(event, file=GHOST, replaces=event.file, root=b"short")
    height = world.index.head.height
    beat = HeartbeatSeen(world.nodes[0].node)
    await world.index.apply(BlockEvents(height + 1, world.now, (bad, beat)))
    assert world.index.poisoned == 1
    assert world.index.file(event.file).record.deleted == 0


async def test_an_event_without_a_view_is_no_poison(world):
    await world.follow()
    height = world.index.head.height
    later = object()  # something that only later versions know
    await world.index.apply(BlockEvents(height + 1, world.now, (later,)))
    assert world.index.poisoned == 0
