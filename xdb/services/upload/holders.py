"""Pushing to holders, and finding another one when a holder fails.

A slot whose node fails goes to another node, and what it had is made again there, bit
for bit, from the replicas of other slots.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from xdb.core.coding import piece_length
from xdb.core.placement import place
from xdb.errors import MissingPiecesError, PlacementError, XdbError
from xdb.model.buffer import Buffer
from xdb.model.ids import NodeId
from xdb.model.registry import Holder
from xdb.ports.compute import Compute
from xdb.services.candidates import NodeSurvey
from xdb.services.together import together
from xdb.services.upload.calls import NodeCalls
from xdb.services.upload.receipts import Terms
from xdb.services.upload.remaking import Remaking
from xdb.services.upload.session import Session, SlotState

AT_ONCE = 2
"""Replicas of a slot that are made again at once."""


@dataclass(frozen=True, slots=True)
class Holders:
    """What uploads ask of storage nodes."""

    calls: NodeCalls
    survey: NodeSurvey
    compute: Compute

    async def store(self, session: Session, slot: SlotState, piece: int, sealed: Buffer) -> str:
        """Has a slot's replica stored, by another holder if need be; the note then says so."""
        note = ""
        while True:
            node = slot.node
            error = await self._pushed(session, slot, piece, sealed)
            if error is not None:
                note = await self.replace(session, slot, node, error) or note
            elif slot.node == node:  # else what went to the former holder does not count
                slot.mark(piece, session.commitment(slot, piece).length)
                return note

    async def accept(
        self, session: Session, slot: SlotState, manifest: bytes, terms: Terms
    ) -> tuple[Holder, str]:
        """The receipt of a slot's holder, or of another one, which the note then says."""
        note, refilled = "", set[tuple[NodeId, int]]()
        while True:
            node = slot.node
            try:
                return await self._accepted(session, slot, manifest, terms), note
            except MissingPiecesError as error:
                lost = {(node, piece) for piece in error.pieces if piece in session.sealed}
                trouble: XdbError | None = error
                if lost and not lost <= refilled:
                    refilled |= lost
                    trouble = await self._refill(session, slot, error.pieces)
            except XdbError as error:
                trouble = error
            if trouble is not None:
                note = await self.replace(session, slot, node, trouble) or note

    async def replace(
        self, session: Session, slot: SlotState, failed: NodeId, why: XdbError
    ) -> str:
        """Gives a slot to another node and makes there what it had; a note says so.

        Raises PlacementError when no node is left, SendAgainError or UnavailableError when
        what the failed node had cannot be made again.
        """
        async with slot.changing:
            if slot.node != failed:
                return ""
            pending, error = set(slot.stored), why
            while True:
                self.survey.forget(slot.node)
                session.failed[slot.node] = str(error)
                slot.moves_to(await self._choose(session, slot))
                trouble = await self._remake(session, slot, sorted(pending))
                if trouble is None:
                    break
                pending, error = pending | slot.stored, trouble
        return (
            f"slot {slot.number} goes to node {slot.node.hex()}, node {failed.hex()} failed: {why}"
        )

    async def _accepted(
        self, session: Session, slot: SlotState, manifest: bytes, terms: Terms
    ) -> Holder:
        node, ref = slot.node, session.slot_ref(slot.number)
        expiry = session.request.expiry

        async def accept() -> Holder:
            holder = await self.calls.peer(node).accept(ref, manifest, expiry, 1)
            terms.check(slot.number, holder, self.calls.record(node), expiry)
            return holder

        return await self.calls.again(accept)

    async def _refill(
        self, session: Session, slot: SlotState, pieces: Iterable[int]
    ) -> XdbError | None:
        lost = [piece for piece in pieces if piece in session.sealed]
        for piece in lost:
            slot.unmark(piece, session.commitment(slot, piece).length)
        return await self._remake(session, slot, lost)

    async def _remake(
        self, session: Session, slot: SlotState, pieces: Iterable[int]
    ) -> XdbError | None:
        """Makes replicas again at the slot's node; gives what was wrong with it, if anything."""
        left, failures = iter(pieces), list[XdbError]()
        workers = (self._remake_some(session, slot, left, failures) for _ in range(AT_ONCE))
        await together(*workers)
        return failures[0] if failures else None

    async def _remake_some(
        self, session: Session, slot: SlotState, left: Iterator[int], failures: list[XdbError]
    ) -> None:
        remaking = Remaking(self.calls, self.compute)
        for piece in left:
            if failures:
                return
            if piece in slot.stored:
                continue
            sealed = await remaking.rebuilt(session, slot, piece)
            error = await self._pushed(session, slot, piece, sealed)
            if error is not None:
                failures.append(error)
                return
            slot.mark(piece, session.commitment(slot, piece).length)

    async def _pushed(
        self, session: Session, slot: SlotState, piece: int, sealed: Buffer
    ) -> XdbError | None:
        node, ref = slot.node, session.slot_ref(slot.number)
        commitment = session.commitment(slot, piece)
        try:
            await self.calls.again(
                lambda: self.calls.peer(node).push(ref, piece, commitment, sealed)
            )
        except XdbError as error:
            return error
        return None

    async def _choose(self, session: Session, slot: SlotState) -> NodeId:
        found = await self.survey.candidates()
        others = {other.node for other in session.slots if other is not slot}
        usable = [node for node in found.nodes if node.node not in session.failed]
        size = piece_length(session.redundancy, session.entry.slice_size)
        try:
            seed = session.file + slot.number.to_bytes(8, "big")
            (chosen,) = place(usable, 1, size, seed, others)
        except PlacementError as error:
            failures = "; ".join(
                f"node {node.hex()} failed: {why}" for node, why in session.failed.items()
            )
            why_not = found.why_not()
            raise PlacementError(
                f"slot {slot.number} of file {session.file.hex()} has no holder: {failures}; "
                f"no other node is usable{f' ({why_not})' if why_not else ''}: mend or add nodes "
                "and upload again"
            ) from error
        return chosen
