"""A simulated network seen from above: what no node of it can see, and what must hold."""

from collections.abc import Collection

from xdb.core.merkle import holding_root
from xdb.core.sealing import commit
from xdb.index.views import FileView
from xdb.model.health import Colour, Verdict
from xdb.model.ids import FileId, NodeId
from xdb.model.storage import ReplicaKey
from xdb.store.formats import REPLICA_BODY, path_of, replica_header
from xdb.testing.simulation.nodes import SimulatedStorage
from xdb.testing.simulation.world import World


class ViolationError(AssertionError):
    """An invariant does not hold."""


def is_whole(world: World, files: Collection[FileId]) -> bool:
    """Whether every node is up, every file green, and every slot on its holder's disk."""
    owner = world.owner.node
    if owner is None or not all(node.is_up for node in world.storage.values()):
        return False
    index = owner.following.index
    look = owner.care.viewpoint.look()
    for file in sorted(files):
        view = index.file(file)
        if view is None or look.colour(view) is not Colour.GREEN:
            return False
        holders = enumerate(view.record.holders, start=1)
        if not all(has(world.storage[node], view, slot) for slot, node in holders):
            return False
    return True


def has(node: SimulatedStorage, view: FileView, slot: int) -> bool:
    """Whether the bytes on a node's disk have the root that the chain knows for a slot."""
    if node.node is None:
        return False
    store, file = node.node.store, view.record.file
    known, found = store.catalog.slot(file, slot), []
    for piece in range(view.holdings[slot - 1].replicas):
        entry = store.catalog.replica(ReplicaKey(file, slot, piece))
        if entry is None or known is None:
            return False
        ref = known.ref(file, slot)
        header = replica_header(ref, piece, entry.length, entry.root, store.leaf_size)
        content = node.disk.content(path_of(header))
        if content is None:
            return False
        found.append(commit(content[REPLICA_BODY:], store.leaf_size))
    return holding_root(found) == view.holdings[slot - 1].root


def check(world: World, files: Collection[FileId], harmed: Collection[NodeId]) -> None:
    """ViolationError unless the invariants hold that hold all the time.

    `harmed` are the nodes that ever lost something by our doing.
    """
    owner = world.owner.node
    if owner is None:
        return
    index = owner.following.index
    if index.poisoned:
        raise ViolationError(f"{index.poisoned} events made no sense to the index")
    failed = {view.node for view in index.audits.listed(verdict=Verdict.FAILED).items}
    if blamed := failed.difference(harmed):
        names = ", ".join(sorted(node.hex() for node in blamed))
        raise ViolationError(f"nodes that lost nothing are said to have failed: {names}")
    for file in sorted(files):
        view = index.file(file)
        if view is not None and len(set(view.record.holders)) < len(view.record.holders):
            raise ViolationError(f"file {file.hex()} has two slots on one node")
