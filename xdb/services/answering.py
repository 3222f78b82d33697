"""Answers to an epoch's draws, from what is on the disk now.

Nothing is answered from memory: the replica that a drawn leaf lies in is read and hashed
whole. What is not there, or not what the receipt named, is admitted to be lost.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

from xdb.core import merkle, proving
from xdb.core.proving import Question, Span
from xdb.errors import IntegrityError, NotFoundError, OverloadedError, UnavailableError
from xdb.model.calls import Answer
from xdb.model.ids import Digest, FileId
from xdb.model.storage import Commitment, ReplicaKey
from xdb.ports.compute import Compute
from xdb.services.facts import Records
from xdb.store.replicas import ReplicaStore

Paths = tuple[tuple[Digest, ...], ...]
_Group = tuple[Span, int, list[int]]  # a segment, one of its replicas, the questions about it


@dataclass(slots=True)
class Effort:
    """What answering took: replicas and bytes read, segments admitted to be lost."""

    replicas: int = 0
    read: int = 0
    lost: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Answering:
    """Over one node's store. `records` say what its receipts named."""

    records: Records
    store: ReplicaStore
    compute: Compute
    patience: int  # seconds of chain time in which a disk that gives nothing may come back

    async def answers(self, questions: Sequence[Question], effort: Effort) -> tuple[Answer, ...]:
        """One answer to each question, in order; a replica is read once for all its leaves."""
        found: dict[int, Answer] = {}
        doubtful = [
            group
            for group in _by_replica(questions)
            if not await self._answer(group, questions, found, effort)
        ]
        for group in doubtful:
            # An admission is final. What was written anew while it was read, or restored
            # since, is held well.
            if not await self._answer(group, questions, found, effort):
                span, replica, numbers = group
                await self._check_disk(ReplicaKey(span.file, span.slot, replica))
                effort.lost.add(span.index)
                found |= {n: Answer(questions[n].holes, None, span.index) for n in numbers}
        return tuple(
            found.get(number, Answer(question.holes, None, None))
            for number, question in enumerate(questions)
        )

    async def _answer(
        self,
        group: _Group,
        questions: Sequence[Question],
        found: dict[int, Answer],
        effort: Effort,
    ) -> bool:
        span, replica, numbers = group
        asked = [questions[number] for number in numbers]
        answers = await self._of_replica(span, replica, asked, effort)
        if answers is not None:
            found |= zip(numbers, answers, strict=True)
        return answers is not None

    async def _of_replica(
        self, span: Span, replica: int, asked: Sequence[Question], effort: Effort
    ) -> list[Answer] | None:
        """Answers to all questions about a replica; None when it is not what it should be."""
        commitments, key = self._commitments(span), ReplicaKey(span.file, span.slot, replica)
        if commitments is None:
            return None
        data = await self._verified(key, commitments[replica], effort)
        if data is None:
            return None
        size = self.store.leaf_size
        leaves = tuple(question.spot.leaf for question in asked if question.spot is not None)
        root, paths = await self.compute.in_process(paths_of, data, size, leaves)
        if root != commitments[replica].root:
            with suppress(NotFoundError):  # it was removed meanwhile
                await self.store.verify(key)
            return None
        return [
            Answer(
                question.holes,
                proving.leaf(question, data[leaf * size : (leaf + 1) * size], path, commitments),
                None,
            )
            for question, leaf, path in zip(asked, leaves, paths, strict=True)
        ]

    async def _check_disk(self, key: ReplicaKey) -> None:
        """Raises while the disk gives nothing at all, right or wrong, and that may pass."""
        try:
            await self.store.touch(key)
        except OverloadedError:
            raise
        except UnavailableError as error:
            now = self.records.head.time
            entry = self.store.catalog.damage(key.file, key.slot, key.piece)
            until = self.patience + (now if entry is None else entry.since)
            if now < until:
                raise UnavailableError(
                    f"piece {key.piece} of slot {key.slot} of file {key.file.hex()} cannot be "
                    f"read ({error}): check the disk; from chain time {until} on it is lost"
                ) from error

    def _commitments(self, span: Span) -> list[Commitment] | None:
        """Those of all replicas of a slot; None unless they are what the receipt named."""
        count = -(-span.leaves // span.replica_leaves)
        # whatever else was pushed under the slot's name is no part of it
        entries = list(islice(self.store.catalog.replicas(span.file, span.slot), count))
        view = self.records.file(span.file)
        if view is None or [piece for piece, _ in entries] != list(range(count)):
            return None
        found = [entry.commitment for _, entry in entries]
        if span.slot > len(view.holdings):  # dropped in this epoch, and asked for once more
            return found
        return found if merkle.holding_root(found) == view.holdings[span.slot - 1].root else None

    async def _verified(
        self, key: ReplicaKey, commitment: Commitment, effort: Effort
    ) -> bytes | None:
        """The bytes of a replica; None, and listed as damaged, when they cannot be read."""
        try:
            data = await self.store.get(key)
        except OverloadedError:
            raise
        except (IntegrityError, NotFoundError):
            return None
        except UnavailableError:
            if not await self.store.verify(key):
                return None
            data = await self.store.get(key)
        effort.replicas += 1
        effort.read += len(data)
        return data if len(data) == commitment.length else None


def paths_of(data: memoryview, leaf_size: int, leaves: tuple[int, ...]) -> tuple[Digest, Paths]:
    """The root of a replica and the siblings of some leaves; runs in a worker process."""
    hashes = merkle.replica_leaves(data, leaf_size)
    return merkle.root(hashes), tuple(merkle.path(hashes, leaf) for leaf in leaves)


def _by_replica(questions: Sequence[Question]) -> list[_Group]:
    """The numbers of the questions about each replica, and its segment."""
    found: dict[tuple[FileId, int, int, int], _Group] = {}
    for number, question in enumerate(questions):
        if question.span is None or question.spot is None:
            continue
        span, replica = question.span, question.spot.replica
        group = found.setdefault((span.file, span.slot, span.index, replica), (span, replica, []))
        group[2].append(number)
    return list(found.values())
