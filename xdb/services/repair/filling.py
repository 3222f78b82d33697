"""Filling a slot at a node, piece by piece, until the node says that it is complete."""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from xdb.core.migration.model import Action, Step
from xdb.errors import MissingPiecesError, UnavailableError, XdbError
from xdb.index.index import Index
from xdb.index.views import FileView
from xdb.model.registry import Holder
from xdb.model.storage import Commitment, ReplicaKey
from xdb.services.budget import Budget
from xdb.services.repair.job import Job, RepairConfig, applies
from xdb.services.repair.sources import Replica, Sources
from xdb.services.together import together
from xdb.services.upload.calls import NodeCalls
from xdb.services.upload.receipts import Terms

T = TypeVar("T")

LISTED = 200
"""A node names at least so many missing pieces: behind the last of a longer list there may be
more."""


@dataclass(frozen=True, slots=True)
class Filling:
    """Pushes to the node of a step, within bounds."""

    index: Index
    calls: NodeCalls
    sources: Sources
    budget: Budget
    config: RepairConfig

    def current(self, step: Step) -> FileView | None:
        """The file, if its record is still as the step was planned for."""
        view = self.index.file(step.file)
        if view is None or not applies(step, view, self.index.status(view)):
            return None
        return view

    async def fill(self, job: Job, pieces: Iterable[int]) -> dict[int, Commitment]:
        """Stores replicas, in order, and gives what was stored.

        Ends early when the record changes. UnavailableError names the node when it fails,
        or what went wrong with each source.
        """
        left, made = iter(pieces), dict[int, Commitment]()
        await together(*(self._fill_some(job, left, made) for _ in range(self.config.pieces)))
        return made

    async def complete(self, job: Job, version: int, terms: Terms | None = None) -> Holder | None:
        """The slot taken over by its node as of `version` of the record.

        What the node lacks is stored first. None when the record changed meanwhile.
        """
        refilled = set[int]()
        while self.current(job.step):
            try:
                return await self._accepted(job, version, terms)
            except MissingPiecesError as error:
                lacking = self._lacking(job, error)
                if not lacking or set(error.pieces) <= refilled:
                    raise UnavailableError(
                        f"node {job.step.target.hex()} does not keep what it is given for "
                        f"{job.named}: {error}"
                    ) from error
                refilled.update(lacking)
                await self.fill(job, lacking)
        return None

    async def _fill_some(self, job: Job, left: Iterator[int], made: dict[int, Commitment]) -> None:
        for piece in left:
            if not self.current(job.step):
                return
            cost = job.cost(piece)
            await self.budget.take(cost)
            try:
                made[piece] = await self._store(job, piece)
            finally:
                self.budget.give(cost)

    async def _store(self, job: Job, piece: int) -> Commitment:
        replica = await self.sources.replica(job, piece)
        await self._pushed(job, piece, replica)
        commitment = replica.commitment
        del replica
        if job.step.action is Action.RESTORE:
            await self._read_back(job, piece, commitment)
        job.stored += 1
        return commitment

    async def _pushed(self, job: Job, piece: int, replica: Replica) -> None:
        async def push() -> None:
            peer = self.calls.peer(job.step.target)
            await peer.push(job.ref, piece, replica.commitment, replica.data)

        await self._asked(job, f"piece {piece}", push)

    async def _read_back(self, job: Job, piece: int, commitment: Commitment) -> None:
        """A node that does not know of its damage says that it has the replica already."""
        key = ReplicaKey(job.step.file, job.step.slot, piece)
        data = await self._asked(
            job, f"piece {piece}", lambda: self.calls.peer(job.step.target).pull(key)
        )
        if await self.sources.recognised(job, job.step.slot, piece, data) != commitment:
            raise UnavailableError(
                f"node {job.step.target.hex()} still gives wrong bytes for piece {piece} of "
                f"{job.named}, and says that it has the right ones: it has to re-hash them "
                "first, or the slot has to move"
            )

    async def _accepted(self, job: Job, version: int, terms: Terms | None) -> Holder:
        record, target = job.record, job.step.target
        # in retention the expiry may be past, which no node accepts
        soon = self.index.head.time + self.index.parameters.receipt_validity
        expiry = max(record.expiry, soon)

        async def accept() -> Holder:
            peer = self.calls.peer(target)
            holder = await peer.accept(job.ref, job.file.data, expiry, version)
            if terms is not None:
                known = self.calls.record(target)
                terms.check(job.step.slot, holder, known, record.expiry)
            return holder

        return await self._asked(job, "the slot", accept)

    async def _asked(self, job: Job, what: str, call: Callable[[], Awaitable[T]]) -> T:
        try:
            return await self.calls.again(call)
        except MissingPiecesError:
            raise
        except XdbError as error:
            raise UnavailableError(
                f"node {job.step.target.hex()} failed with {what} of {job.named}: {error}"
            ) from error

    def _lacking(self, job: Job, error: MissingPiecesError) -> list[int]:
        count = job.file.layout.count
        named = sorted({piece for piece in error.pieces if 0 <= piece < count})
        behind = range(named[-1] + 1, count) if len(named) >= LISTED else ()
        return [*named, *behind]
