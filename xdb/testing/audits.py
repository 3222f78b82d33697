"""A registry with a beacon and holdings made of real bytes, so that nodes can prove."""

from bisect import bisect_right
from hashlib import sha256

from xdb.core import merkle, proving
from xdb.core.rules.seeds import newest
from xdb.core.rules.segments import Segment, is_hole, segment, space
from xdb.core.rules.state import State
from xdb.model.calls import Answer, Prove, Publish, RevealSeed, Seal
from xdb.model.events import Event
from xdb.model.ids import Digest
from xdb.model.registry import Holding, Parameters
from xdb.model.storage import Commitment
from xdb.testing.keys import NamedKey
from xdb.testing.registry import DAY, START, TWO_COPIES, Draft, World

LEAF = 64
REPLICA = 5 * LEAF
LAST = 2 * LEAF + 7
EPOCHS = 1000
EPOCH = 3600


class RealDraft(Draft):
    """A file of three slices, the last one shorter; every slot holds bytes of its own."""

    def replicas(self, slot: int) -> list[bytes]:
        """The sealed bytes of a slot."""
        lengths = [REPLICA, REPLICA, LAST]
        return [
            b"".join(
                sha256(f"{self.title} {slot} {piece} {part}".encode()).digest()
                for part in range(-(-length // 32))
            )[:length]
            for piece, length in enumerate(lengths)
        ]

    def commitments(self, slot: int) -> list[Commitment]:
        """Length and root of every replica of a slot."""
        return [
            Commitment(len(data), merkle.replica_root(data, LEAF)) for data in self.replicas(slot)
        ]

    def holding(self, slot: int) -> Holding:
        """What a slot holds."""
        sizes = [len(data) for data in self.replicas(slot)]
        return Holding(
            root=merkle.holding_root(self.commitments(slot)),
            leaves=sum(merkle.leaf_count(size, LEAF) for size in sizes),
            replica_leaves=merkle.leaf_count(sizes[0], LEAF),
            size=sum(sizes),
            latest_expiry=0,
        )


def preimage(epoch: int, beacon: str = "beacon") -> Digest:
    """A beacon's preimage for an epoch; for epoch -1 its commitment."""
    value = sha256(beacon.encode()).digest()
    for _ in range(EPOCHS - 1 - epoch):
        value = sha256(value).digest()
    return Digest(value)


class AuditWorld(World):
    """A world with one beacon and small leaves."""

    def __init__(self, *, nodes: int = 4, draws: int = 12, beacons: int = 1, lag: int = 0) -> None:
        names = ["beacon", "second"][:beacons]
        super().__init__(
            nodes=nodes,
            lag=lag,
            parameters=Parameters(
                start=START,
                epoch=EPOCH,
                leaf_size=LEAF,
                leaves_per_epoch=draws,
                beacons=tuple(preimage(-1, name) for name in names),
            ),
        )
        self.beacon_names = names
        self.drafts: dict[bytes, RealDraft] = {}

    def add(self, title: str, *, life: int = 30 * DAY) -> RealDraft:
        """Publishes a file of two copies with the first two nodes."""
        draft = RealDraft(self.chain.deployment, self.alice, title, TWO_COPIES)
        new = draft.new(self.nodes[:2], expiry=self.now + life, valid_until=self.now)
        self.call(self.alice, Publish((new,)))
        self.drafts[draft.id] = draft
        return draft

    @property
    def epoch(self) -> int:
        """The epoch now."""
        return self.parameters.epoch_at(self.now)

    def next_epoch(self, *, seed: bool = True, seal: bool = True) -> None:
        """Moves to the start of the next epoch; reveals its seed, then seals what can be."""
        self.chain.advance(self.parameters.start_of(self.epoch + 1) - self.now)
        if seed:
            self.reveal()
        if seal:
            for node in self.nodes:
                if self.bucket(node) is not None:
                    self.call(self.bob, Seal(node.node, 1000))

    def reveal(self) -> tuple[Event, ...]:
        """Reveals the present epoch's seed."""
        preimages = tuple(preimage(self.epoch, name) for name in self.beacon_names)
        return self.call(self.bob, RevealSeed(self.epoch, preimages))

    def bucket(self, node: NamedKey) -> int | None:
        """The oldest epoch with holdings of the node that could be sealed now."""
        for key, _ in self.chain.state.scan(b"o/" + node.node, 1):
            epoch = int.from_bytes(key[22:30], "big")
            return epoch if epoch < self.epoch else None
        return None

    def segments(self, node: NamedKey) -> list[Segment]:
        """The node's address space."""
        state = State(self.chain.state)
        found: list[Segment] = []
        while (held := segment(state, node.node, len(found))) is not None:
            found.append(held)
        return found

    def questions(self, node: NamedKey) -> list[proving.Question]:
        """What the open epoch asks of a node."""
        state = State(self.chain.state)
        seed = newest(state)
        if seed is None:
            raise ValueError("no seed yet")
        context = self.chain.context()
        spans = [
            proving.Span(
                index=index,
                start=held.start,
                leaves=held.holding.leaves,
                replica_leaves=held.holding.replica_leaves,
                file=held.file,
                slot=held.slot,
                hole=is_hole(context, state, held, seed.epoch),
            )
            for index, held in enumerate(self.segments(node))
        ]
        extent = space(state, node.node).before(seed.epoch)
        leaves = extent.leaves if extent else 0
        starts = [span.start for span in spans]
        return proving.questions(
            seed.seed,
            node.node,
            self.parameters.leaves_per_epoch,
            leaves,
            lambda leaf: spans[bisect_right(starts, leaf) - 1],
        )

    def answers(self, node: NamedKey, lost: frozenset[int] = frozenset()) -> tuple[Answer, ...]:
        """True answers; the segments `lost` are admitted to be lost."""
        return tuple(self._answer(question, lost) for question in self.questions(node))

    def proof(self, node: NamedKey, lost: frozenset[int] = frozenset()) -> Prove:
        """A proof for the present epoch."""
        return Prove(node.node, self.epoch, self.answers(node, lost))

    def _answer(self, question: proving.Question, lost: frozenset[int]) -> Answer:
        span, spot = question.span, question.spot
        if span is None or spot is None:
            return Answer(question.holes, None, None)
        if span.index in lost:
            return Answer(question.holes, None, span.index)
        draft = self.drafts[span.file]
        data = draft.replicas(span.slot)[spot.replica]
        leaf = proving.leaf(
            question,
            data[spot.leaf * LEAF : (spot.leaf + 1) * LEAF],
            merkle.path(merkle.replica_leaves(data, LEAF), spot.leaf),
            draft.commitments(span.slot),
        )
        return Answer(question.holes, leaf, None)
