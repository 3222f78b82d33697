import asyncio
from dataclasses import replace

import pytest

from xdb.config.owner import OWNER_TASKS
from xdb.config.storage import STORAGE_TASKS
from xdb.core.merkle import replica_root
from xdb.errors import ConfigError, UnavailableError
from xdb.model.calls import SetNodeState
from xdb.model.registry import Endpoint, NodeState
from xdb.model.storage import Commitment
from xdb.testing.box import key, ref
from xdb.testing.clock import settle
from xdb.testing.keys import NamedKey


def record(node):
    return node.custody.facts.me()


async def test_first_start_registers(world):
    node = await world.storage("a")
    me = record(node)
    assert (me.node, me.operator, me.state) == (NamedKey("a").node, "a", NodeState.ONLINE)
    assert me.signer == NamedKey("a signer").address


async def test_second_start_sends_nothing(world, place):
    await world.storage("a", place)
    height = world.chain.head.height
    await world.storage("a", place)
    assert world.chain.head.height == height


async def test_start_with_another_address_updates_the_record(world, place):
    await world.storage("a", place)
    moved = Endpoint("elsewhere:7400", bytes(32))
    node = await world.storage("a", place, endpoint=moved)
    assert record(node).endpoint == moved


async def test_start_with_another_certificate_updates_the_record(world, place):
    await world.storage("a", place)
    made = Endpoint("a:7400", bytes([7] * 32))
    node = await world.storage("a", place, endpoint=made)
    assert record(node).endpoint == made


async def test_new_signer_is_quiet_until_its_epoch_and_speaks_then(world, place):
    await world.storage("a", place)
    world.chain.advance(100)
    node = await world.storage("a", place, signer="new signer")
    parameters = world.chain.parameters
    assert record(node).signer == NamedKey("a new signer").address
    node.start_tasks()
    heartbeat = next(task for task in node.tasks if task.name == "heartbeat")
    await settle()
    await world.clock.advance(2 * parameters.heartbeat)
    assert heartbeat.status.runs > 1
    assert (heartbeat.status.failures, heartbeat.status.last_error) == (0, "")
    assert "for epoch 1" in heartbeat.status.last_report
    with pytest.raises(UnavailableError, match="gives receipts again from the next epoch"):
        node.custody._check_signer()

    await world.clock.advance(parameters.epoch)
    world.chain.tick()
    await world.settled(node)
    await world.clock.advance(2 * parameters.heartbeat)
    await world.settled(node)
    seen = node.following.index.node(record(node).node)
    assert seen.last_heartbeat >= parameters.start + parameters.epoch
    node.custody._check_signer()


async def test_start_brings_an_offline_node_back(world, place):
    await world.storage("a", place)
    world.chain.call(NamedKey("a").address, SetNodeState(NodeState.OFFLINE))
    node = await world.storage("a", place)
    assert record(node).state is NodeState.ONLINE


async def test_stopping_node_is_offline_and_online_again_at_its_next_start(world, place):
    node = await world.storage("a", place)
    await node.sign_off()
    await world.settled(node)
    assert record(node).state is NodeState.OFFLINE
    node = await world.storage("a", place)
    assert record(node).state is NodeState.ONLINE


async def test_draining_outlives_a_restart(world, place):
    node = await world.storage("a", place)
    world.chain.call(NamedKey("a").address, SetNodeState(NodeState.DRAINING))
    await world.settled(node)
    await node.sign_off()
    node = await world.storage("a", place)
    assert record(node).state is NodeState.DRAINING


async def test_stop_without_the_key_of_the_id_says_nothing(world, place):
    await world.storage("a", place)
    node = await world.storage("a", place, identity=False)
    height = world.chain.head.height
    await node.sign_off()
    assert world.chain.head.height == height


async def test_silent_chain_delays_a_stop_by_seconds(world, place, backend):
    node = await world.storage("a", place, backend=backend)
    backend.answers = False
    stopping = asyncio.ensure_future(node.sign_off())
    await world.clock.advance(2.9)
    assert not stopping.done()
    await world.clock.advance(0.2)
    await stopping
    assert record(node).state is NodeState.ONLINE


async def test_chain_that_refuses_does_not_hold_up_a_stop(world):
    node = await world.storage("a")
    world.chain.call(NamedKey("a").address, SetNodeState(NodeState.OFFLINE))
    assert record(node).state is NodeState.ONLINE, "its index is behind"
    height = world.chain.head.height
    await node.sign_off()
    assert world.chain.head.height == height


async def test_unregistered_node_without_its_identity(world):
    with pytest.raises(ConfigError, match="is not registered"):
        await world.storage("a", identity=False)


async def test_new_node_needs_the_chain(world, backend):
    backend.up = False
    with pytest.raises(UnavailableError, match="no chain server answers, and this node never saw"):
        await world.storage("a", backend=backend)


async def test_known_node_starts_without_the_chain_and_sees_to_its_record_later(
    world, place, backend
):
    await world.storage("a", place)
    world.chain.call(NamedKey("a").address, SetNodeState(NodeState.OFFLINE))
    backend.up = False
    node = await world.storage("a", place, backend=backend)
    await settle()
    assert record(node).state is NodeState.OFFLINE
    backend.up = True
    await world.clock.advance(10)
    await world.settled(node)
    assert record(node).state is NodeState.ONLINE


async def test_first_heartbeat_comes_at_once_then_at_the_chains_pace(world):
    node = await world.storage("a")
    seen = node.following.index
    node.start_tasks()
    await settle()
    first = seen.node(record(node).node).last_heartbeat
    assert first == world.chain.time
    await world.clock.advance(2 * world.chain.parameters.heartbeat)
    assert seen.node(record(node).node).last_heartbeat > first


async def test_failed_store_ends_the_node(world):
    node = await world.storage("a")
    node.store.files.failed = "the disk lies"
    ended = asyncio.ensure_future(node.ended())
    await world.clock.advance(2)
    with pytest.raises(UnavailableError, match=r"the store has failed \(the disk lies\)"):
        await ended


async def test_scrubber_of_a_node_finds_what_its_disk_lost(world, place):
    node = await world.storage("a", place)
    data = b"sealed" * 100
    commitment = Commitment(len(data), replica_root(data, node.store.leaf_size))
    await node.store.put(ref(), 0, commitment, data)
    place.disk.lose(place.disk.files("replicas")[0])
    (scrubber,) = [task for task in node.tasks if task.name == "scrubber"]
    assert scrubber.every == 60.0
    assert (await scrubber.run_once()).damaged == 1
    (damage,) = node.store.catalog.damaged()
    assert (damage.key, damage.since) == (key(ref()), world.chain.time)


async def test_what_is_switched_off_runs_by_hand_only(world):
    node = replace(await world.storage("a"), off=frozenset({"prover", "scrubber"}))
    node.start_tasks()
    await world.clock.advance(3600)
    runs = {task.name: task.status.runs for task in node.tasks}
    assert runs["heartbeat"]
    assert runs["collector"]
    assert (runs["prover"], runs["scrubber"]) == (0, 0)


async def test_the_tasks_are_those_that_can_be_switched_off(world):
    node = await world.storage("a", seeds=True)
    assert tuple(task.name for task in node.tasks) == STORAGE_TASKS
    other = await world.storage("b")
    assert "seeds" not in {task.name for task in other.tasks}
    owner = await world.owner()
    assert tuple(task.name for task in owner.tasks) == OWNER_TASKS
