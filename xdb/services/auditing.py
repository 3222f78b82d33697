"""Probes of storage nodes: are they there, and do they show what they should?

Random leaves are asked for with their paths and compared with what the chain says the
holder signed for; then the node is asked what it knows to be damaged. All of it is between
this owner and the node: nothing is written to the chain, and nobody is convicted.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from xdb.core.probing import check_leaf
from xdb.errors import (
    IntegrityError,
    NotFoundError,
    OverloadedError,
    StorageFullError,
    UnavailableError,
    XdbError,
)
from xdb.index.index import Index
from xdb.index.views import FileStatus, FileView
from xdb.model.ids import Address, FileId, NodeId
from xdb.model.registry import Holding, NodeRecord
from xdb.model.storage import Damage, ReplicaKey
from xdb.ports.entropy import Entropy
from xdb.ports.peer import StoragePeer, StoragePeers
from xdb.services.observations import Observations, SlotDamage

MOST_LOOKED_AT = 1000
"""Holdings of a node among which those of the owner are looked for in one probe."""
MOST_LISTED = 100
"""Pages of damage that are read in one probe."""
AGAIN = 8
"""Slots that showed something wrong before and are asked again in one probe."""

Place = tuple[FileId, int]


@dataclass(slots=True)
class Finding:
    """What came of one probe. `text` says what went wrong; the rest counts only if it answered.

    `right` and `wrong` are leaves; `damages` is what is damaged of this owner's slots there,
    `sound` are slots that showed a right leaf.
    """

    node: NodeId
    answered: bool = True
    text: str = ""
    right: int = 0
    wrong: int = 0
    complete: bool = False  # the node listed all its damage
    damages: dict[Place, SlotDamage] = field(default_factory=dict)
    sound: set[Place] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Auditing:
    """Probes nodes for one owner, `leaves` random leaves at a time."""

    owner: Address
    index: Index
    peers: StoragePeers
    observations: Observations
    entropy: Entropy
    leaves: int

    async def probe(self, node: NodeId) -> Finding:
        """Asks a node; nothing is remembered yet."""
        finding, record = Finding(node), self.index.node_record(node)
        if record is None:
            raise NotFoundError(f"node {node.hex()} is not registered: nobody can probe it")
        try:
            await self._ask(record, finding)
        except (OverloadedError, StorageFullError) as error:
            finding.text = str(error)
        except UnavailableError as error:
            finding.answered, finding.text = False, str(error)
        except XdbError as error:
            finding.text = str(error)
        return finding

    async def note(self, finding: Finding) -> None:
        """Remembers what a probe found."""
        node, now = finding.node, self.index.head.time
        if not finding.answered:
            await self.observations.unanswered(node, now, finding.text)
            return
        await self.observations.answered(node, now, finding.text)
        for (file, slot), damage in finding.damages.items():
            await self.observations.seen(file, slot, damage)
        for file, slot, damage in list(self.observations.damages()):
            place = file, slot
            if damage.node != node or place in finding.damages:
                continue
            is_sound = place in finding.sound or not damage.shown
            if not self._holds(file, slot, node) or (finding.complete and is_sound):
                await self.observations.restored(file, slot)

    # ------------------------------------------------------------ asking

    async def _ask(self, record: NodeRecord, finding: Finding) -> None:
        peer = self.peers.peer(record)
        asked = 0
        for view, slot, piece, leaf in self._questions(record.node):
            asked += 1
            await self._check(peer, finding, view, ReplicaKey(view.record.file, slot, piece), leaf)
        if not asked:
            await peer.status()
        await self._list(peer, finding)

    async def _check(
        self, peer: StoragePeer, finding: Finding, view: FileView, key: ReplicaKey, leaf: int
    ) -> None:
        holding, place = view.holdings[key.slot - 1], (key.file, key.slot)
        try:
            shown = await peer.leaf(key, leaf)
            check_leaf(shown, self.index.parameters.leaf_size, holding, key, leaf)
        except (IntegrityError, NotFoundError) as error:
            finding.wrong += 1
            finding.text = str(error)
            is_all = isinstance(error, NotFoundError)
            pieces = () if is_all else (key.piece,)
            finding.damages[place] = SlotDamage(
                self.index.head.time, pieces, is_all, shown=True, node=finding.node
            )
        else:
            finding.right += 1
            finding.sound.add(place)

    async def _list(self, peer: StoragePeer, finding: Finding) -> None:
        after = b""
        for _ in range(MOST_LISTED):
            damages, after = await peer.damaged(after)
            for damage in damages:
                self._add(finding, damage)
            if not after:
                finding.complete = True
                return

    def _add(self, finding: Finding, damage: Damage) -> None:
        place = damage.file, damage.slot
        if not self._holds(*place, finding.node):
            return
        known = finding.damages.get(place)
        pieces = set() if known is None else set(known.pieces)
        if not damage.manifest:
            pieces.add(damage.piece)
        since = damage.since or self.index.head.time
        finding.damages[place] = SlotDamage(
            since if known is None else min(since, known.since),
            tuple(sorted(pieces)),
            damage.manifest or (known is not None and known.manifest),
            shown=known is not None and known.shown,
            node=finding.node,
        )

    # ------------------------------------------------------------ choosing

    def _questions(self, node: NodeId) -> Iterator[tuple[FileView, int, int, int]]:
        """File, slot, piece and leaf: what showed something wrong before, then random ones."""
        for place in self._doubtful(node):
            view = self._held(*place, node)
            if view is not None:
                damage = self.observations.damage(*place)
                pieces = damage.pieces if damage is not None else ()
                yield self._question(view, place[1], pieces[:1])
        for file, slot in self._random(node):
            view = self._held(file, slot, node)
            if view is not None:
                yield self._question(view, slot)

    def _doubtful(self, node: NodeId) -> list[Place]:
        found = [
            (file, slot)
            for file, slot, damage in self.observations.damages()
            if damage.node == node and damage.shown
        ]
        return found[:AGAIN]

    def _random(self, node: NodeId) -> list[Place]:
        """Slots of this owner at the node, from a random one on."""
        start = self.entropy.draw(32) + bytes(8)
        looked = [
            *self.index.held_by(node, start, MOST_LOOKED_AT).items,
            *self.index.held_by(node, limit=MOST_LOOKED_AT).items,
        ]
        found: list[Place] = []
        for place in dict.fromkeys(looked):
            if len(found) == self.leaves:
                break
            if self._held(*place, node) is not None:
                found.append(place)
        # a node with fewer slots than leaves are to be asked for is asked for more of each
        more = self.leaves - len(found)
        return found + [found[number % len(found)] for number in range(more)] if found else []

    def _question(
        self, view: FileView, slot: int, pieces: tuple[int, ...] = ()
    ) -> tuple[FileView, int, int, int]:
        holding = view.holdings[slot - 1]
        offset = int.from_bytes(self.entropy.draw(8), "big") % holding.leaves
        piece, leaf = divmod(offset, holding.replica_leaves)
        if pieces:
            piece, leaf = pieces[0], leaf % _leaves_of(holding, pieces[0])
        return view, slot, piece, leaf

    def _held(self, file: FileId, slot: int, node: NodeId) -> FileView | None:
        """The owner's file, when the node holds this slot of it and should serve it."""
        view = self.index.file(file)
        if view is None or view.record.owner != self.owner or slot in view.lost:
            return None
        if not 1 <= slot <= len(view.holdings) or view.record.holders[slot - 1] != node:
            return None
        return None if self.index.status(view) is FileStatus.GONE else view

    def _holds(self, file: FileId, slot: int, node: NodeId) -> bool:
        return self._held(file, slot, node) is not None


def _leaves_of(holding: Holding, piece: int) -> int:
    """Leaves of one replica of a holding."""
    return max(1, min(holding.replica_leaves, holding.leaves - piece * holding.replica_leaves))
