"""Prover: a storage node answers every epoch's challenge over all that it holds.

It first seals what came in in past epochs, so that the next challenges ask for it, too.
One answer per epoch, in time: what fails is tried again in the next cycle while the epoch
is open.
"""

from dataclasses import dataclass

from xdb.core import proving
from xdb.core.proving import Question
from xdb.core.rules.segments import MOST_SEALED
from xdb.errors import RefusedCallError
from xdb.index.index import Index
from xdb.index.views import Seed
from xdb.model.calls import Prove, Seal
from xdb.model.ids import Address, NodeId
from xdb.model.refusal import Refusal
from xdb.model.registry import NodeState
from xdb.ports.blockchain import Registry
from xdb.services.answering import Answering, Effort

_DONE = {Refusal.PROVED, Refusal.EPOCH}


@dataclass(frozen=True, slots=True)
class ProverReport:
    """What a cycle did; `note` says why nothing was proved.

    `lost` are holdings that were admitted to be lost, `read` bytes read from the disk.
    """

    epoch: int = 0
    draws: int = 0
    lost: int = 0
    replicas: int = 0
    read: int = 0
    sealed: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class ProverTask:
    """Of one node, which proves with `signer`."""

    node: NodeId
    signer: Address
    index: Index
    registry: Registry
    answering: Answering

    async def run_once(self) -> ProverReport:
        """Seals and proves what there is to seal and to prove."""
        sealed = await self._seal()
        seed = self.index.audits.seed()
        note = self._nothing_to_do(seed)
        if seed is None or note:
            return ProverReport(sealed=sealed, note=note)
        questions, effort = self._questions(seed), Effort()
        answers = await self.answering.answers(questions, effort)
        try:
            inclusion = await self.registry.submit(Prove(self.node, seed.epoch, answers))
        except RefusedCallError as error:
            if error.refusal not in _DONE:
                raise
            return ProverReport(sealed=sealed, note=error.reason)
        await self.index.reached(inclusion.height)
        return ProverReport(
            epoch=seed.epoch,
            draws=len(answers),
            lost=len(effort.lost),
            replicas=effort.replicas,
            read=effort.read,
            sealed=sealed,
        )

    async def _seal(self) -> int:
        """Turns holdings of past epochs into segments; gives how many calls it took."""
        calls = 0
        while True:
            oldest = self.index.audits.unsealed(self.node)
            if oldest is None or oldest >= self._epoch():
                return calls
            try:
                inclusion = await self.registry.submit(Seal(self.node, MOST_SEALED))
            except RefusedCallError as error:
                if error.refusal is Refusal.UNSEALED:  # somebody else was faster
                    return calls
                raise
            await self.index.reached(inclusion.height)
            calls += 1

    def _nothing_to_do(self, seed: Seed | None) -> str:
        """Why there is nothing to prove now."""
        if seed is None:
            return "no epoch has a seed yet"
        audit = self.index.audits.audit(self.node, seed.epoch)
        if audit is None:
            return f"epoch {seed.epoch} asks nothing of this node"
        if audit.verdict is not None:
            return f"epoch {seed.epoch} is proved"
        record = self.index.node_record(self.node)
        if record is None or record.state is NodeState.LEFT:
            return "this node is in no network"
        if record.signer_at(self._epoch()) != self.signer:
            return "this node's signer is another one in this epoch"
        return ""

    def _questions(self, seed: Seed) -> list[Question]:
        audits = self.index.audits
        return proving.questions(
            seed.seed,
            self.node,
            self.index.parameters.leaves_per_epoch,
            audits.leaves(self.node, seed.epoch),
            lambda leaf: audits.span_at(self.node, leaf, seed.epoch),
        )

    def _epoch(self) -> int:
        return self.index.parameters.epoch_at(self.index.head.time)
