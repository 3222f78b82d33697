"""A slot's replicas made again from those of other slots, bit for bit."""

from dataclasses import dataclass

from xdb.core.rebuild import rebuild_piece
from xdb.errors import IntegrityError, SendAgainError, UnavailableError, XdbError
from xdb.model.buffer import Buffer
from xdb.model.storage import ReplicaKey
from xdb.ports.compute import Compute
from xdb.services.committing import INLINE, commitment_of
from xdb.services.upload.calls import NodeCalls
from xdb.services.upload.session import Session, SlotState


@dataclass(frozen=True, slots=True)
class Remaking:
    """Pulls, compares, unseals, codes and seals for another slot."""

    calls: NodeCalls
    compute: Compute

    async def rebuilt(self, session: Session, slot: SlotState, piece: int) -> bytes:
        """The slot's replica of a slice.

        Raises SendAgainError, or UnavailableError when the client cannot send again, when
        too few other slots have it.
        """
        found = await self._others(session, slot, piece)
        if len(found) < session.redundancy.required:
            raise _nowhere(session, slot)
        arguments = (
            session.redundancy,
            session.sealed[piece].length,
            found,
            session.sealing_key,
            piece,
            slot.number,
        )
        if session.sealed[piece].length <= INLINE:
            remade = rebuild_piece(*arguments)
        else:
            remade = await self.compute.in_thread(rebuild_piece, *arguments)
        if await self._commitment(remade) != session.commitment(slot, piece):
            raise IntegrityError(
                f"piece {piece} of slot {slot.number} of file {session.file.hex()} came out "
                "otherwise than before: upload it again"
            )
        return remade

    async def _others(self, session: Session, slot: SlotState, piece: int) -> dict[int, Buffer]:
        others = [each for each in session.slots if each is not slot and piece in each.stored]
        found: dict[int, Buffer] = {}
        for other in sorted(others, key=lambda each: (each.node in session.doubted, each.number)):
            if len(found) == session.redundancy.required:
                break
            data = await self._pulled(session, other, piece)
            if data is not None:
                found[other.number] = data
        return found

    async def _pulled(self, session: Session, other: SlotState, piece: int) -> Buffer | None:
        node, key = other.node, ReplicaKey(session.file, other.number, piece)
        try:
            if node in session.doubted:
                data = await self.calls.peer(node).pull(key)
            else:
                data = await self.calls.again(lambda: self.calls.peer(node).pull(key))
        except XdbError:
            session.doubted.add(node)  # its own pushes will find out what is wrong with it
            return None
        if await self._commitment(data) == session.commitment(other, piece):
            return data
        session.doubted.add(node)
        return None

    async def _commitment(self, data: Buffer) -> object:
        leaf_size = self.calls.index.parameters.leaf_size
        return await commitment_of(self.compute, data, leaf_size)


def _nowhere(session: Session, slot: SlotState) -> UnavailableError:
    what = f"what slot {slot.number} of file {session.file.hex()} had is nowhere else"
    if session.request.rewindable:
        return SendAgainError(f"{what}: send the data again under the same upload id")
    return UnavailableError(f"{what}, and its source cannot be read again: upload it anew")
