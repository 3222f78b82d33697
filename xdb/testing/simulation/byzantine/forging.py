"""Answers to an epoch's draws from what a cheat has, true or not: it admits no loss.

The task around them is the real prover, so that all else is done as an honest node does it.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from xdb.core import proving
from xdb.core.proving import Question
from xdb.model.calls import Answer, Leaf
from xdb.model.ids import Digest, NodeId
from xdb.model.storage import ReplicaKey
from xdb.node.storage import StorageNode
from xdb.runtime.periodic import Periodic
from xdb.services.answering import Answering, Effort
from xdb.store.replicas import ReplicaStore
from xdb.tasks.prover import ProverTask
from xdb.testing.simulation.byzantine.masks import masked
from xdb.testing.simulation.byzantine.strategy import Plot

Show = Callable[[ReplicaKey, int], tuple[bytes, tuple[Digest, ...]]]
"""What is said to be a leaf of a replica, and its way up in it."""
Answers = Callable[[Sequence[Question], Effort], Awaitable[tuple[Answer, ...]]]


def answers_from(store: ReplicaStore, show: Show) -> Answers:
    """Every draw answered with what `show` gives."""

    async def answers(questions: Sequence[Question], _effort: Effort) -> tuple[Answer, ...]:
        return tuple(_answer(store, question, show) for question in questions)

    return answers


def _answer(store: ReplicaStore, question: Question, show: Show) -> Answer:
    span, spot = question.span, question.spot
    if span is None or spot is None:
        return Answer(question.holes, None, None)
    data, path = show(ReplicaKey(span.file, span.slot, spot.replica), spot.leaf)
    commitments = [entry.commitment for _, entry in store.catalog.replicas(span.file, span.slot)]
    count = -(-span.leaves // span.replica_leaves)
    if len(commitments) < count:  # it does not even know what the others would have been
        return Answer(question.holes, Leaf(span.index, data, len(data), path, ()), None)
    return Answer(question.holes, proving.leaf(question, data, path, commitments[:count]), None)


def with_answers(
    node: StorageNode, plot: Plot, answers: Callable[[Answering], Answers]
) -> StorageNode:
    """The node with other answers in its proofs; it looks for no damage any more.

    `answers` is given what answers honestly.
    """
    (prover,) = (task for task in node.tasks if task.name == "prover")
    index, ports = node.following.index, node.ports
    registry = plot.counted(ports.backend.registry(ports.signer, ports.entropy.stream("cheat")))
    patience = index.parameters.epoch // 4
    honest = Answering(index, node.store, ports.compute, patience)
    false = masked(honest, answers=answers(honest))
    me = NodeId(node.enrolment.node)
    task = ProverTask(me, ports.signer.address, index, registry, false)
    return with_task(without_scrubber(node), "prover", task.run_once, prover.every)


def with_task(
    node: StorageNode, name: str, run_once: Callable[[], Awaitable[object]], every: float
) -> StorageNode:
    """The node with a periodic task in place of the one of that name, or one more."""
    ports = node.ports
    entropy = ports.entropy.stream(f"cheat {name}")
    task = Periodic(name, run_once, every, ports.clock, entropy, ports.log, at_once=True)
    others = [each for each in node.tasks if each.name != name]
    return replace(node, tasks=(*others, task))


def without_scrubber(node: StorageNode) -> StorageNode:
    """The node without the task that would find and list what is missing."""
    return replace(node, off=node.off | {"scrubber"})
