"""Nodes that keep less than they signed for, and answer with what they have."""

from collections.abc import Callable, Sequence
from hashlib import sha256

from xdb.core import proving
from xdb.core.proving import Question
from xdb.model.calls import Answer
from xdb.model.ids import Digest, NodeId
from xdb.model.storage import ReplicaKey
from xdb.node.storage import StorageNode
from xdb.services.answering import Answering, Effort
from xdb.store.replicas import ReplicaStore
from xdb.testing.simulation.byzantine.forging import Answers, answers_from, with_answers
from xdb.testing.simulation.byzantine.hoard import Hoard, Keep, on_disk
from xdb.testing.simulation.byzantine.strategy import Plot
from xdb.testing.simulation.byzantine.twisting import Twisted
from xdb.testing.simulation.nodes import SimulatedStorage
from xdb.testing.simulation.twist import Twist

WITHHELD = "bytes withheld"
Spots = set[tuple[ReplicaKey, int]]


class Withholding:
    """A node that has nothing on its disk but what its hoard keeps."""

    def __init__(self, plot: Plot, member: SimulatedStorage, keep: Keep) -> None:
        self.plot = plot
        self.member = member
        self.keep = keep
        self.hoard = Hoard(plot.world.chain.parameters.leaf_size)

    def strip(self, store: ReplicaStore) -> None:
        """Takes what came to the disk into the hoard."""
        for key, path, data in on_disk(self.member.disk, store):
            self.plot.deeds[WITHHELD] += self.hoard.put(key, data, self.keep)
            self.member.disk.lose(path)

    def show(self, key: ReplicaKey, leaf: int) -> tuple[bytes, tuple[Digest, ...]]:
        """The leaf, or zeros in its place."""
        data = self.hoard.leaf(key, leaf)
        if data is None:
            self.plot.deeds["leaves made up"] += 1
            data = bytes(self.hoard.leaf_size)
        return data, self.hoard.path(key, leaf)

    def answers(self, store: ReplicaStore) -> Answers:
        """What it answers to draws."""
        answer = answers_from(store, self.show)

        async def answers(questions: Sequence[Question], effort: Effort) -> tuple[Answer, ...]:
            self.strip(store)
            return await answer(questions, effort)

        return answers

    def twisted(self, begin: Callable[[StorageNode], None] = lambda _: None) -> Twist:
        """The twist; `begin` is called before anything is dropped."""

        def on_node(node: StorageNode) -> StorageNode:
            begin(node)
            self.strip(node.store)
            return with_answers(node, self.plot, lambda _: self.answers(node.store))

        return Twisted(on_node)


def drops_all_but_one(plot: Plot, member: SimulatedStorage) -> Twist:
    """Keeps one replica of all, and makes up the rest. Nearly all of it is gone, so f is near 1."""
    kept: list[ReplicaKey] = []

    def keep(key: ReplicaKey, _leaf: int) -> bool:
        kept.append(key)
        return key == kept[0]

    return Withholding(plot, member, keep).twisted()


def drops_a_part(part: float) -> Callable[[Plot, SimulatedStorage], Twist]:
    """Drops that part of all leaves, drawn one by one."""

    def corrupt(plot: Plot, member: SimulatedStorage) -> Twist:
        def keep(_key: ReplicaKey, _leaf: int) -> bool:
            return int.from_bytes(plot.entropy.draw(4), "big") / 2**32 >= part

        return Withholding(plot, member, keep).twisted()

    return corrupt


def keeps_what_was_asked(plot: Plot, member: SimulatedStorage) -> Twist:
    """Answers one epoch well, then keeps what that asked for and nothing else."""
    asked: Spots = set()
    seen: list[Sequence[Question]] = []
    withholding = Withholding(plot, member, lambda key, leaf: not seen or (key, leaf) in asked)
    answer = withholding.answers

    def answers(store: ReplicaStore) -> Answers:
        honest = answer(store)

        async def answers_(questions: Sequence[Question], effort: Effort) -> tuple[Answer, ...]:
            if not seen:
                withholding.strip(store)
                asked.update(_spots(questions))
                seen.append(questions)
            elif questions != seen[0]:
                dropped = withholding.hoard.forget(withholding.keep)
                plot.deeds[WITHHELD] += dropped
            return await honest(questions, effort)

        return answers_

    withholding.answers = answers  # type: ignore[method-assign]
    return withholding.twisted()


def guesses_the_seed(plot: Plot, member: SimulatedStorage) -> Twist:
    """Prepares for the seed that it thinks comes next, and keeps what that would ask for.

    It guesses as well as anybody can: the hash of the newest seed, as in the beacons' chains.
    They run the other way, so the guess is as good as any.
    """
    guessed: Spots = set()

    def prepare(node: StorageNode) -> None:
        audits, me = node.following.index.audits, NodeId(node.enrolment.node)
        seed = audits.seed()
        if seed is None or guessed:
            return
        coming = seed.epoch + 1
        questions = proving.questions(
            Digest(sha256(seed.seed).digest()),
            me,
            plot.world.chain.parameters.leaves_per_epoch,
            audits.leaves(me, coming),
            lambda leaf: audits.span_at(me, leaf, coming),
        )
        guessed.update(_spots(questions))

    return Withholding(plot, member, lambda key, leaf: (key, leaf) in guessed).twisted(prepare)


def replays_the_last_proof(plot: Plot, member: SimulatedStorage) -> Twist:
    """Answers one epoch well, drops everything, and sends the same answers for ever."""
    withholding = Withholding(plot, member, lambda _key, _leaf: False)
    given: list[tuple[Answer, ...]] = []
    first: list[Sequence[Question]] = []

    def of(honest: Answering, store: ReplicaStore) -> Answers:
        async def answers(questions: Sequence[Question], effort: Effort) -> tuple[Answer, ...]:
            if not given:
                given.append(await honest.answers(questions, effort))
                first.append(questions)
            elif questions != first[0]:
                withholding.strip(store)
                plot.deeds["proofs replayed"] += 1
            return given[0]

        return answers

    def on_node(node: StorageNode) -> StorageNode:
        return with_answers(node, plot, lambda honest: of(honest, node.store))

    return Twisted(on_node)


def _spots(questions: Sequence[Question]) -> Spots:
    return {
        (ReplicaKey(each.span.file, each.span.slot, each.spot.replica), each.spot.leaf)
        for each in questions
        if each.span is not None and each.spot is not None
    }
