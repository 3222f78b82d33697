"""Probes of storage nodes: are they there, and do they show what they should?

Random leaves are asked for with their paths and compared with what the chain says the
holder signed for; one of them, and those where something was wrong before, are read as readers
do, too; then the node is asked what it knows to be damaged. All of it is between this owner and
the node: nothing is written to the chain, and nobody is convicted.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from xdb.core.probing import check_leaf
from xdb.errors import (
    AuthError,
    CorruptFileError,
    ExpiredError,
    IntegrityError,
    NotFoundError,
    OverloadedError,
    RejectedError,
    StorageFullError,
    UnavailableError,
    XdbError,
)
from xdb.index.index import Index
from xdb.index.views import FileStatus, FileView
from xdb.model.ids import Address, FileId, NodeId
from xdb.model.registry import Holding, NodeRecord, NodeState
from xdb.model.storage import Damage, ReplicaKey
from xdb.ports.clock import Clock
from xdb.ports.entropy import Entropy
from xdb.ports.peer import StoragePeer, StoragePeers
from xdb.services.findings import Finding, Place
from xdb.services.observations import Observations, SlotDamage, damages_by_turns

MOST_LOOKED_AT = 1000
"""Holdings of a node among which those of the owner are looked for in one probe."""
MOST_LISTED = 20
"""Pages of damage that are read in one probe."""
AGAIN = 8
"""Slots that showed something wrong before and are asked again in one probe."""
MOST_PROBLEMS = 10
"""Records that cannot be read and are named in one probe."""
PATIENCE = 60.0
"""Seconds after which a probe asks no more: a slow node must not hold up the others."""


@dataclass(frozen=True, slots=True)
class Auditing:
    """Probes nodes for one owner, `leaves` random leaves at a time."""

    owner: Address
    index: Index
    peers: StoragePeers
    observations: Observations
    clock: Clock
    entropy: Entropy
    leaves: int

    async def probe(self, node: NodeId, doubtful: Collection[Place] = ()) -> Finding:
        """Asks a node, also for the doubtful slots; nothing is remembered yet."""
        finding, record = Finding(node), self.index.node_record(node)
        if record is None:
            raise NotFoundError(f"node {node.hex()} is not registered: nobody can probe it")
        try:
            await self._ask(record, finding, doubtful)
        except (OverloadedError, StorageFullError) as error:
            finding.answered, finding.text = True, str(error)
        except UnavailableError as error:
            # whoever answered before it fell silent was there
            finding.text = str(error)
        except XdbError as error:
            finding.answered, finding.text = True, str(error)
        return finding

    async def doubtful(self) -> dict[NodeId, list[Place]]:
        """Slots that showed something wrong and are to be asked again, a few of each node."""
        found: dict[NodeId, list[Place]] = {}
        async for file, slot, damage in damages_by_turns(self.observations, self.clock):
            places = found.setdefault(damage.node, []) if damage.shown else []
            if damage.shown and len(places) < AGAIN:
                places.append((file, slot))
        return found

    async def note(self, finding: Finding) -> None:
        """Remembers what a probe found."""
        node, now = finding.node, self.index.head.time
        if not finding.answered:
            await self.observations.unanswered(node, now, finding.text)
            return
        await self.observations.answered(node, now, finding.text, finding.wrong)
        for (file, slot), seen in finding.damages.items():
            pieces = tuple(sorted(seen.pieces))
            damage = SlotDamage(seen.since, pieces, seen.manifest, seen.shown, node)
            await self.observations.seen(file, slot, damage)

    async def tidy(self, findings: Iterable[Finding]) -> None:
        """Forgets damage that is no more, and nodes that have left."""
        by_node = {finding.node: finding for finding in findings if finding.answered}
        over = [
            (file, slot)
            async for file, slot, damage in damages_by_turns(self.observations, self.clock)
            if self._is_over((file, slot), damage, by_node.get(damage.node))
        ]
        for file, slot in over:
            await self.observations.over(file, slot)
        await self.observations.forget_restored(self.index.head.time)
        await self.observations.forget(
            [node for node in self.observations.nodes() if self._has_left(node)]
        )

    def _is_over(self, place: Place, damage: SlotDamage, finding: Finding | None) -> bool:
        try:
            if self._held(*place, damage.node) is None:
                return True
        except CorruptFileError:
            return False
        if finding is None or place in finding.damages or not finding.complete:
            return False
        if not damage.shown:
            return True
        sound = {key.piece for key in finding.sound if (key.file, key.slot) == place}
        return damage.pieces[0] in sound if damage.pieces else bool(sound)

    def _has_left(self, node: NodeId) -> bool:
        record = self.index.node_record(node)
        return record is None or record.state is NodeState.LEFT

    # ------------------------------------------------------------ asking

    async def _ask(self, record: NodeRecord, finding: Finding, doubtful: Collection[Place]) -> None:
        peer, until = self.peers.peer(record), self.clock.monotonic() + PATIENCE
        read = len(doubtful) + 1
        for view, slot, piece, leaf in self._questions(finding, doubtful):
            if self._is_late(until, finding):
                return
            key = ReplicaKey(view.record.file, slot, piece)
            await self._check(peer, finding, view, key, leaf, read=read > 0)
            read -= 1
        if not finding.answered:
            await peer.status()
            finding.answered = True
        await self._list(peer, finding, until)

    def _is_late(self, until: float, finding: Finding) -> bool:
        if self.clock.monotonic() < until:
            return False
        finding.text = (
            f"node {finding.node.hex()} is slow: after {PATIENCE:.0f} s it was asked no more, "
            "the next probe goes on"
        )
        return True

    async def _check(  # noqa: PLR0913  # all that a question is made of
        self,
        peer: StoragePeer,
        finding: Finding,
        view: FileView,
        key: ReplicaKey,
        leaf: int,
        *,
        read: bool,
    ) -> None:
        place, now = (key.file, key.slot), self.index.head.time
        try:
            await self._shown(peer, view.holdings[key.slot - 1], key, leaf, read=read)
        except (IntegrityError, NotFoundError) as error:
            finding.wrong += 1
            finding.text = str(error)
            seen = finding.of(place, now)
            seen.shown = True
            if isinstance(error, NotFoundError):
                seen.manifest = True
            else:
                seen.pieces.add(key.piece)
        except (AuthError, RejectedError, ExpiredError) as error:
            finding.refused[place] = now
            finding.text = str(error)
        else:
            finding.right += 1
            finding.sound.add(key)
        finding.answered = True

    async def _shown(
        self, peer: StoragePeer, holding: Holding, key: ReplicaKey, leaf: int, *, read: bool
    ) -> None:
        """Asks for a leaf. With `read` its bytes must also come the way that readers get them."""
        size = self.index.parameters.leaf_size
        shown = await peer.leaf(key, leaf)
        check_leaf(shown, size, holding, key, leaf)
        if read and await peer.pull(key, leaf * size, len(shown.data)) != shown.data:
            raise IntegrityError(
                f"piece {key.piece} of slot {key.slot} of file {key.file.hex()} is shown to probes "
                "as it should be, and handed out with other bytes"
            )

    async def _list(self, peer: StoragePeer, finding: Finding, until: float) -> None:
        after = b""
        for _ in range(MOST_LISTED):
            if self._is_late(until, finding):
                return
            damages, after = await peer.damaged(after)
            for damage in damages:
                self._add(finding, damage)
            if not after:
                finding.complete = True
                return

    def _add(self, finding: Finding, damage: Damage) -> None:
        place = damage.file, damage.slot
        view = self._found(place, finding)
        if view is None:
            return
        now, holding = self.index.head.time, view.holdings[damage.slot - 1]
        if not damage.manifest and damage.piece >= holding.replicas:
            return
        # a time to come would put repair off for good
        seen = finding.of(place, min(damage.since, now) or now)
        if damage.manifest:
            seen.manifest = True
        else:
            seen.pieces.add(damage.piece)

    # ------------------------------------------------------------ choosing

    def _questions(
        self, finding: Finding, doubtful: Collection[Place]
    ) -> Iterator[tuple[FileView, int, int, int]]:
        """File, slot, piece and leaf: what showed something wrong before, then random ones."""
        for place in doubtful:
            view, damage = self._found(place, finding), self.observations.damage(*place)
            if view is not None:
                pieces = damage.pieces if damage is not None else ()
                yield self._question(view, place[1], pieces[:1])
        for view, slot in self._random(finding):
            yield self._question(view, slot)

    def _random(self, finding: Finding) -> list[tuple[FileView, int]]:
        """Slots of this owner at the node, from a random one on."""
        start = self.entropy.draw(32) + bytes(8)
        looked = [
            *self.index.held_by(finding.node, start, MOST_LOOKED_AT).items,
            *self.index.held_by(finding.node, limit=MOST_LOOKED_AT).items,
        ]
        found: list[tuple[FileView, int]] = []
        for place in dict.fromkeys(looked):
            if len(found) == self.leaves:
                break
            view = self._found(place, finding)
            if view is not None:
                found.append((view, place[1]))
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

    def _found(self, place: Place, finding: Finding) -> FileView | None:
        """Like `_held`; a record that cannot be read is passed over, and a problem."""
        try:
            return self._held(*place, finding.node)
        except CorruptFileError as error:
            if len(finding.problems) < MOST_PROBLEMS:
                finding.problems.append(f"file {place[0].hex()}: {error}")
            return None


def _leaves_of(holding: Holding, piece: int) -> int:
    """Leaves of one replica of a holding."""
    return max(1, min(holding.replica_leaves, holding.leaves - piece * holding.replica_leaves))
