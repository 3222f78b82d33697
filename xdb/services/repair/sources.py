"""Where a slot's replicas come from: its present holder, or those of other slots.

Nothing is believed. A replica of a slot that the manifest names is compared with its root;
one of a slot added later, which is a copy, is opened and compared with the slice's digest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeVar

from xdb.core.migration.model import Action
from xdb.core.rebuild import rebuild_piece
from xdb.core.sealing import slot_key, unseal
from xdb.errors import IntegrityError, NotFoundError, UnavailableError, XdbError
from xdb.model.buffer import Buffer
from xdb.model.ids import Digest
from xdb.model.registry import NodeState
from xdb.model.storage import Commitment, ReplicaKey
from xdb.ports.compute import Compute
from xdb.services.committing import INLINE, commitment_of
from xdb.services.manifests import Manifests
from xdb.services.repair.job import Job
from xdb.services.standing import Holder
from xdb.services.together import together
from xdb.services.upload.calls import ATTEMPTS, NodeCalls

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Replica:
    """A replica that is right."""

    data: Buffer
    commitment: Commitment


@dataclass(frozen=True, slots=True)
class Sources:
    """Pulls, compares, unseals, codes and seals."""

    manifests: Manifests
    calls: NodeCalls
    compute: Compute

    async def replica(self, job: Job, piece: int) -> Replica:
        """The slot's replica of a slice.

        A hand-over asks the present holder first. Any other step asks it last: what it has
        of the slot may be the only replica of a slice that is left.
        """
        holder = self._holder(job)
        if job.step.action is Action.HANDOVER and holder and holder[1].node not in job.failed:
            found = await self._own(job, holder, piece, attempts=1)
            if found is not None:
                return found
        try:
            return await self._remade(job, piece)
        except (UnavailableError, IntegrityError):
            found = holder and await self._own(job, holder, piece, ATTEMPTS)
            if not found:
                raise
            return found

    async def recognised(self, job: Job, slot: int, piece: int, data: Buffer) -> Commitment | None:
        """The commitment to a slot's replica; None when it is not what it should be."""
        described = job.described(slot, piece)
        if described is not None:
            found = await self._commitment(job, data)
            return found if found == described else None
        key = slot_key(job.sealing_key, slot)
        digest = await self._worked(len(data), lambda: _opened_digest(key, piece, data))
        if digest != job.file.manifest.slice_digests[piece]:
            return None
        return await self._commitment(job, data)

    async def _remade(self, job: Job, piece: int) -> Replica:
        found = await self._others(job, piece)
        length = job.file.layout.cipher_length(piece)
        arguments = (job.redundancy, length, found, job.sealing_key, piece, job.step.slot)
        data = await self._worked(length, lambda: rebuild_piece(*arguments))
        commitment = await self.recognised(job, job.step.slot, piece, data)
        if commitment is None:
            raise IntegrityError(
                f"piece {piece} of {job.named}, made again from slots "
                f"{', '.join(map(str, sorted(found)))}, is not what the manifest says, though they "
                "are: the manifest contradicts itself, so upload the file again"
            )
        job.remade += 1
        return Replica(data, commitment)

    async def _others(self, job: Job, piece: int) -> dict[int, Buffer]:
        """Replicas of as many other slots as are required; those that failed come last."""
        usable = [
            holder
            for holder in self.manifests.holders(job.file.view)
            if holder[0] != job.step.slot and holder[1].state is not NodeState.LEFT
        ]
        ordered = self.manifests.standing.order(usable, piece)
        found: dict[int, Buffer] = {}
        failures: list[str] = []
        await self._gather(job, piece, (ordered, 1), found, failures)
        if len(found) < job.redundancy.required:
            doubted = [
                (slot, node)
                for slot, node in ordered
                if node.node in job.failed and slot not in found
            ]
            job.failed.difference_update(node.node for _, node in doubted)
            await self._gather(job, piece, (doubted, ATTEMPTS), found, failures)
        if len(found) < job.redundancy.required:
            raise UnavailableError(
                f"piece {piece} of {job.named} cannot be made again now: {job.redundancy.required} "
                f"other slots are needed, {len(found)} have it: "
                f"{'; '.join(failures) or 'no other holder is left'}"
            )
        return found

    async def _gather(
        self,
        job: Job,
        piece: int,
        asked: tuple[list[Holder], int],
        found: dict[int, Buffer],
        failures: list[str],
    ) -> None:
        holders, attempts = asked
        while len(found) < job.redundancy.required:
            waiting = [each for each in holders if each[1].node not in job.failed]
            batch = waiting[: job.redundancy.required - len(found)]
            if not batch:
                return
            holders = [holder for holder in waiting if holder not in batch]
            pulls = (self._pulled(job, holder, piece, attempts) for holder in batch)
            for (slot, _), pulled in zip(batch, await together(*pulls), strict=True):
                if isinstance(pulled, str):
                    failures.append(pulled)
                else:
                    found[slot] = pulled.data

    def _holder(self, job: Job) -> Holder | None:
        """The present holder, unless it gave the slot up or is the one to be filled."""
        if job.step.source in {None, job.step.target}:
            return None
        return next(
            (each for each in self.manifests.holders(job.file.view) if each[0] == job.step.slot),
            None,
        )

    async def _own(self, job: Job, holder: Holder, piece: int, attempts: int) -> Replica | None:
        pulled = await self._pulled(job, holder, piece, attempts)
        return None if isinstance(pulled, str) else pulled

    async def _pulled(self, job: Job, holder: Holder, piece: int, attempts: int) -> Replica | str:
        """A right replica, or what was wrong. Bytes may be wrong in one piece alone."""
        slot, node = holder
        key = ReplicaKey(job.step.file, slot, piece)
        named = f"piece {piece} of slot {slot} from node {node.node.hex()}"
        try:
            with self.manifests.standing.asking(node.node):
                data = await self.calls.again(
                    lambda: self.calls.peer(node.node).pull(key), attempts
                )
        except XdbError as error:
            if not isinstance(error, IntegrityError | NotFoundError):
                job.failed.add(node.node)
            return self._passed_over(job, holder, f"{named}: {error}")
        commitment = await self.recognised(job, slot, piece, data)
        if commitment is None:
            return self._passed_over(job, holder, f"{named}: wrong bytes")
        return Replica(data, commitment)

    def _passed_over(self, job: Job, holder: Holder, problem: str) -> str:
        self.manifests.standing.note_failure(holder[1].node)
        job.note(problem)
        return problem

    async def _commitment(self, job: Job, data: Buffer) -> Commitment:
        return await commitment_of(self.compute, data, job.file.manifest.leaf_size)

    async def _worked(self, size: int, work: Callable[[], T]) -> T:
        return work() if size <= INLINE else await self.compute.in_thread(work)


def _opened_digest(key: bytes, piece: int, data: Buffer) -> Digest:
    return Digest(sha256(unseal(key, piece, data)).digest())
