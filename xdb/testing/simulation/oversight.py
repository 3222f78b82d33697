"""A simulated network seen from above: what no node of it can see."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from xdb.core.merkle import holding_root
from xdb.core.sealing import commit
from xdb.index.index import Index
from xdb.index.views import FileView
from xdb.model.health import Colour
from xdb.model.ids import FileId
from xdb.model.storage import Commitment, ReplicaKey
from xdb.store.formats import REPLICA_BODY, path_of, replica_header
from xdb.testing.simulation.account import Account
from xdb.testing.simulation.nodes import SimulatedStorage
from xdb.testing.simulation.world import World


class ViolationError(AssertionError):
    """An invariant does not hold."""


class Recoverable(Enum):
    """Whether a file can be had from what is on disks."""

    YES = "yes"
    PERHAPS = "perhaps"  # no slot is whole any more, and of every slice there is enough
    NO = "no"


@dataclass
class Oversight:
    """Looks at disks, and at the chain through the owner's index."""

    world: World
    account: Account
    _commitments: dict[str, tuple[bytes, Commitment]] = field(
        default_factory=dict
    )  # of contents, by path

    @property
    def index(self) -> Index | None:
        """The owner's; None while it is down."""
        owner = self.world.owner.node
        return None if owner is None else owner.following.index

    def views(self) -> Iterator[FileView]:
        """Every file that is owed, as far as the owner's index knows it."""
        index = self.index
        for file in sorted(self.account.files):
            view = None if index is None else index.file(file)
            if view is not None:
                yield view

    def bad_slots(self, view: FileView) -> list[int]:
        """Slots whose holders are down, or have not the bytes that the chain knows."""
        holders = enumerate(view.record.holders, start=1)
        return [
            slot
            for slot, node in holders
            if slot in view.lost or not self.has(self.world.storage[node], view, slot)
        ]

    def spare(self) -> int:
        """Slots that every file can still lose; below nothing when there is no telling."""
        if self.index is None:
            return -1
        found = [
            view.record.redundancy.total
            - view.record.redundancy.required
            - len(self.bad_slots(view))
            for view in self.views()
        ]
        return min(found, default=1) if len(found) == len(self.account.files) else -1

    def is_whole(self) -> bool:
        """Whether every node is up, every file green, and every slot on its holder's disk."""
        owner = self.world.owner.node
        if owner is None or not all(node.is_up for node in self.world.storage.values()):
            return False
        look, views = owner.care.viewpoint.look(), list(self.views())
        if len(views) < len(self.account.files):
            return False
        return all(look.colour(view) is Colour.GREEN and not self.bad_slots(view) for view in views)

    def has(self, node: SimulatedStorage, view: FileView, slot: int) -> bool:
        """Whether the bytes on a node's disk have the root that the chain knows for a slot."""
        if node.node is None:
            return False
        found = []
        for piece in range(view.holdings[slot - 1].replicas):
            root = self._found(node, ReplicaKey(view.record.file, slot, piece))
            if root is None:
                return False
            found.append(root)
        return holding_root(found) == view.holdings[slot - 1].root

    def recoverable(self, view: FileView) -> Recoverable:
        """Whether enough is left: whole slots, or of every slice enough replicas."""
        required, bad = view.record.redundancy.required, self.bad_slots(view)
        if len(view.record.holders) - len(bad) >= required:
            return Recoverable.YES
        for piece in range(view.holdings[0].replicas):
            right = sum(
                self._is_right(self.world.storage[node], ReplicaKey(view.record.file, slot, piece))
                for slot, node in enumerate(view.record.holders, start=1)
            )
            if right < required:
                return Recoverable.NO
        return Recoverable.PERHAPS

    def _is_right(self, node: SimulatedStorage, key: ReplicaKey) -> bool:
        """Whether a replica is what its node took it for when it came."""
        entry = None if node.node is None else node.node.store.catalog.replica(key)
        return entry is not None and self._found(node, key) == entry.commitment

    def _found(self, node: SimulatedStorage, key: ReplicaKey) -> Commitment | None:
        """The commitment of a replica's bytes on a node's disk; None when there are none."""
        if node.node is None:
            return None
        store = node.node.store
        known, entry = store.catalog.slot(key.file, key.slot), store.catalog.replica(key)
        if entry is None or known is None:
            return None
        ref = known.ref(key.file, key.slot)
        path = path_of(replica_header(ref, key.piece, entry.length, entry.root, store.leaf_size))
        content = node.disk.content(path)
        if content is None:
            return None
        return self._commitment(f"{node.name}/{path}", content, store.leaf_size)

    def _commitment(self, name: str, content: bytes, leaf_size: int) -> Commitment:
        """Of a content: the same bytes object has the same as before."""
        known = self._commitments.get(name)
        if known is not None and known[0] is content:
            return known[1]
        root = commit(content[REPLICA_BODY:], leaf_size)
        self._commitments[name] = content, root
        return root

    def known(self, file: FileId) -> FileView | None:
        """A file in the owner's index."""
        return None if self.index is None else self.index.file(file)
