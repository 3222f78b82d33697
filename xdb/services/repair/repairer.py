"""Carries out steps of a migration plan.

Bytes come first: the registry names a node only when that has the whole slot, synced, and
signed for it. Nothing is removed here. So the file has as many good copies at any instant
as before, whatever fails; what a failure leaves at the target is used by the next attempt,
or is a stray that the node collects.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from xdb.core.manifest import manifest_digest
from xdb.core.merkle import extension_siblings, holding_root, root, shrink_siblings
from xdb.core.migration.model import Action, Step
from xdb.core.sealing import file_sealing_key, namespace_secret
from xdb.errors import RefusedCallError, UnavailableError, XdbError
from xdb.index.index import Index
from xdb.index.views import FileView
from xdb.model.calls import Extend, Move, Shrink
from xdb.model.ids import Digest
from xdb.model.refusal import Refusal
from xdb.ports.blockchain import Registry
from xdb.ports.compute import Compute
from xdb.ports.keys import Secrets
from xdb.services.budget import Budget
from xdb.services.manifests import Manifests
from xdb.services.repair.filling import Filling
from xdb.services.repair.job import Done, Job, Outcome, RepairConfig
from xdb.services.repair.sources import Sources
from xdb.services.upload.calls import NodeCalls
from xdb.services.upload.receipts import Terms

_CHANGED = {Refusal.VERSION, Refusal.GONE, Refusal.FILE_UNKNOWN}
"""Refusals which mean that somebody else changed the record meanwhile."""


@dataclass(slots=True)
class Repairer:
    """Repairs files of one owner. Of `secrets` only the sealing secrets of namespaces are used."""

    index: Index
    manifests: Manifests
    calls: NodeCalls
    secrets: Secrets
    registry: Registry
    compute: Compute
    config: RepairConfig = field(default_factory=RepairConfig)
    _filling: Filling = field(init=False)

    def __post_init__(self) -> None:
        """Sets the bounds."""
        self._filling = Filling(
            self.index,
            self.calls,
            Sources(self.manifests, self.calls, self.compute),
            Budget(self.config.window),
            self.config,
        )

    async def carry_out(self, step: Step, pieces: Collection[int] = ()) -> Done:
        """Takes one step; it can be taken again after any failure.

        `pieces` are the damaged ones when it restores; without, the node is asked. Raises
        UnavailableError, which names the node that failed or says what went wrong with each
        source, and RefusedCallError.
        """
        view = self._filling.current(step)
        if view is None:
            return Done(step, Outcome.OUT_OF_DATE)
        if step.action is Action.SHRINK:
            siblings = shrink_siblings(_leaves(view))
            return Done(step, await self._submit(step, Shrink(step.file, step.version, siblings)))
        described = await self.manifests.read(view)
        secret = namespace_secret(self.secrets.derive, view.record.namespace)
        job = Job(step, described, file_sealing_key(secret, step.file))
        try:
            outcome = await self._filled(job, sorted(pieces))
        except XdbError:
            if self._filling.current(step):
                raise
            outcome = Outcome.OUT_OF_DATE  # and whatever failed did so because of that
        return job.ended(outcome)

    async def _filled(self, job: Job, pieces: list[int]) -> Outcome:
        match job.step.action:
            case Action.RESTORE:
                return await self._restore(job, pieces)
            case Action.EXTEND:
                return await self._extend(job)
            case _:
                return await self._move(job)

    async def _restore(self, job: Job, pieces: list[int]) -> Outcome:
        await self._filling.fill(job, pieces)
        if pieces and await self._has_manifest(job):
            is_done = self._filling.current(job.step) is not None
        else:
            is_done = await self._filling.complete(job, job.record.version) is not None
        return Outcome.DONE if is_done else Outcome.OUT_OF_DATE

    async def _has_manifest(self, job: Job) -> bool:
        peer = self.calls.peer(job.step.target)
        try:
            data = await peer.pull_manifest(job.step.file, job.step.slot)
        except UnavailableError:
            raise
        except XdbError:
            return False
        return manifest_digest(data) == job.record.manifest

    async def _move(self, job: Job) -> Outcome:
        step, view = job.step, job.file.view
        terms = self._terms(job, view.record.root, view.holdings[step.slot - 1].root)
        holder = await self._filling.complete(job, terms.version, terms)
        if holder is None:
            return Outcome.OUT_OF_DATE
        return await self._submit(step, Move(step.file, step.version, step.slot, holder))

    async def _extend(self, job: Job) -> Outcome:
        step, leaves, count = job.step, _leaves(job.file.view), job.file.layout.count
        made = await self._filling.fill(job, range(count))
        if len(made) < count:
            return Outcome.OUT_OF_DATE
        added = holding_root([made[piece] for piece in range(count)])
        terms = self._terms(job, root([*leaves, added]), added)
        holder = await self._filling.complete(job, terms.version, terms)
        if holder is None:
            return Outcome.OUT_OF_DATE
        siblings = extension_siblings(leaves)
        return await self._submit(step, Extend(step.file, step.version, holder, siblings))

    def _terms(self, job: Job, file_root: Digest, slot_root: Digest) -> Terms:
        deployment, version = self.registry.deployment, job.record.version + 1
        return Terms(
            self.index,
            deployment,
            job.file.manifest,
            file_root,
            version=version,
            slot_root=slot_root,
        )

    async def _submit(self, step: Step, call: Move | Extend | Shrink) -> Outcome:
        if self._filling.current(step) is None:
            return Outcome.OUT_OF_DATE
        try:
            inclusion = await self.registry.submit(call)
        except RefusedCallError as error:
            if error.refusal in _CHANGED:
                return Outcome.OUT_OF_DATE
            raise
        await self.index.reached(inclusion.height)
        return Outcome.DONE


def _leaves(view: FileView) -> list[Digest]:
    """The leaves of the tree under the file's root."""
    return [view.record.manifest, *(holding.root for holding in view.holdings)]
