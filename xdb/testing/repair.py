"""Files of an owner in memory that are harmed, repaired and checked."""

from collections.abc import Collection

from xdb.core.migration.model import Action, Step
from xdb.core.slicing import Layout
from xdb.errors import NotFoundError
from xdb.index.views import FileView
from xdb.model.ids import NodeId
from xdb.model.storage import ReplicaKey
from xdb.services.repair.job import Done
from xdb.store.formats import path_of, replica_header
from xdb.testing.network import Member, Network
from xdb.testing.owner import SLICE, OwnerBench


def step_for(
    net: Network,
    view: FileView,
    action: Action = Action.MOVE,
    slot: int = 1,
    target: NodeId | None = None,
) -> Step:
    """A step as a plan has it; its target is a node that holds nothing of the file."""
    record = view.record
    if action is Action.EXTEND:
        slot, source = len(record.holders) + 1, None
    else:
        source = record.holders[slot - 1]
    if action in {Action.RESTORE, Action.SHRINK}:
        target = source
    elif target is None:
        target = next(node for node in net.members if node not in record.holders)
    assert target is not None  # for the type checker
    return Step(action, record.file, record.version, slot, source, target, 0, "it is a test")


async def carried_out(bench: OwnerBench, step: Step, pieces: Collection[int] = ()) -> Done:
    """Takes a step, moving the clock on when it waits."""
    done: Done = await bench.run(bench.repairer.carry_out(step, pieces))
    return done


def now(net: Network, view: FileView) -> FileView:
    """The file as it is recorded now."""
    found = net.index.file(view.record.file)
    if found is None:
        raise NotFoundError("the file is not recorded any more")
    return found


def count(view: FileView) -> int:
    """Slices of a file."""
    return Layout(view.record.size, SLICE).count


async def problems(bench: OwnerBench, view: FileView) -> list[tuple[int, int, str]]:
    """Slot, piece and problem of every replica that is not good."""
    found = [check async for check in bench.verification.verify(view)]
    return [(check.slot, check.piece, check.problem) for check in found if check.problem]


async def replicas(net: Network, view: FileView, slot: int) -> list[bytes]:
    """What the holder of a slot holds."""
    record = net.index.node_record(view.record.holders[slot - 1])
    if record is None:
        raise NotFoundError("the holder is not registered any more")
    peer = net.peers().peer(record)
    return [await peer.pull(ReplicaKey(view.record.file, slot, at)) for at in range(count(view))]


async def damage(
    net: Network, view: FileView, slot: int, piece: int, *, known: bool = True
) -> Member:
    """Spoils a replica on its holder's disk; the holder finds that out if it is to be known."""
    member = net.members[view.record.holders[slot - 1]]
    store, key = member.custody.store, ReplicaKey(view.record.file, slot, piece)
    entry, held = store.catalog.replica(key), store.slot(key.file, slot)
    if entry is None or held is None:
        raise NotFoundError("the replica is not here")
    header = replica_header(held.ref, piece, entry.length, entry.root, store.leaf_size)
    member.disk.corrupt(path_of(header))
    if known:
        await store.verify(key)
    return member
