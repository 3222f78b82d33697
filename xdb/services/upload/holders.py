"""Pushing to holders, and finding another one when a holder fails.

A slot whose node fails goes to another node, and what it had is made again there, bit
for bit, from the replicas of other slots.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from xdb.core.coding import piece_length
from xdb.core.placement import place
from xdb.core.rebuild import rebuild_piece
from xdb.core.sealing import commit
from xdb.errors import (
    IntegrityError,
    NotFoundError,
    PlacementError,
    StorageFullError,
    UnavailableError,
    XdbError,
)
from xdb.index.index import Index
from xdb.model.ids import NodeId
from xdb.model.registry import Holder, NodeRecord
from xdb.model.storage import Commitment, ReplicaKey
from xdb.ports.clock import Clock
from xdb.ports.compute import Buffer, Compute
from xdb.ports.peer import StoragePeer, StoragePeers
from xdb.services.candidates import NodeSurvey
from xdb.services.upload.session import Session, SlotState

T = TypeVar("T")

ATTEMPTS = 3
FIRST_PAUSE = 0.2
"""Seconds before a call to a node is tried again, doubled each time."""


@dataclass(frozen=True, slots=True)
class Holders:
    """What uploads ask of storage nodes."""

    index: Index
    peers: StoragePeers
    survey: NodeSurvey
    compute: Compute
    clock: Clock

    async def store(
        self, session: Session, slot: SlotState, piece: int, sealed: Buffer
    ) -> str | None:
        """Has a slot's replica stored, by another holder if need be; gives a note if so."""
        note = None
        commitment = session.sealed[piece].commitments[slot.number - 1]
        while True:
            node = slot.node
            try:
                await self._push(session, slot, piece, commitment, sealed)
            except XdbError as error:
                note = await self.replace(session, slot, node, error)
                continue
            if slot.node == node:  # else what went to the former holder does not count
                _mark(slot, piece, commitment)
                return note

    async def accept(
        self, session: Session, slot: SlotState, manifest: bytes
    ) -> tuple[Holder, str | None]:
        """The receipt of a slot's holder, of another one if need be; and a note if so."""
        note = None
        while True:
            node = slot.node
            try:
                holder = await self._again(
                    lambda: self._peer(slot.node).accept(
                        session.slot_ref(slot.number), manifest, session.entry.expiry, 1
                    )
                )
            except XdbError as error:
                note = await self.replace(session, slot, node, error)
                continue
            return holder, note

    async def replace(
        self, session: Session, slot: SlotState, failed: NodeId, why: XdbError
    ) -> str:
        """Gives a slot to another node and makes there what it had; a note says so.

        Raises PlacementError when no node is left, UnavailableError when what the failed
        node had cannot be made again.
        """
        async with slot.changing:
            if slot.node != failed:
                return ""
            self.survey.forget(failed)
            session.failed[failed] = str(why)
            pending = set(slot.stored)
            while True:
                slot.node = await self._choose(session, slot)
                slot.stored, slot.size = set(), 0
                try:
                    for piece in sorted(pending):
                        await self._remake(session, slot, piece)
                except _NewHolderError as error:
                    session.failed[slot.node] = str(error.reason)
                    pending |= slot.stored
                    continue
                return (
                    f"slot {slot.number} goes to node {slot.node.hex()}, "
                    f"node {failed.hex()} failed: {why}"
                )

    async def _choose(self, session: Session, slot: SlotState) -> NodeId:
        found = await self.survey.candidates()
        others = {other.node for other in session.slots if other is not slot}
        usable = [
            candidate
            for candidate in found.nodes
            if candidate.node not in session.failed and candidate.node not in others
        ]
        size = piece_length(session.redundancy, session.entry.slice_size)
        try:
            seed = session.file + slot.number.to_bytes(8, "big")
            (chosen,) = place(usable, 1, size, seed, others)
        except PlacementError as error:
            failures = "; ".join(
                f"node {node.hex()} failed: {why}" for node, why in session.failed.items()
            )
            raise PlacementError(
                f"slot {slot.number} of file {session.file.hex()} has no holder: {failures}; "
                "no other node is usable: mend or add nodes and upload again"
            ) from error
        return chosen

    async def _remake(self, session: Session, slot: SlotState, piece: int) -> None:
        commitment = session.sealed[piece].commitments[slot.number - 1]
        sealed = await self._rebuilt(session, slot, piece)
        try:
            await self._push(session, slot, piece, commitment, sealed)
        except XdbError as error:
            raise _NewHolderError(error) from error
        _mark(slot, piece, commitment)

    async def _rebuilt(self, session: Session, slot: SlotState, piece: int) -> bytes:
        known, found = session.sealed[piece], dict[int, Buffer]()
        for other in session.slots:
            if other is slot or piece not in other.stored:
                continue
            if len(found) == session.redundancy.required:
                break
            data = await self._pulled(session, other, piece)
            if data is not None:
                found[other.number] = data
        if len(found) < session.redundancy.required:
            again = (
                "send it again under the same upload id"
                if session.request.rewindable
                else "upload it again"
            )
            raise UnavailableError(
                f"what slot {slot.number} of file {session.file.hex()} had is nowhere else: {again}"
            )
        remade = await self.compute.in_thread(
            rebuild_piece,
            session.redundancy,
            known.length,
            found,
            session.sealing_key,
            piece,
            slot.number,
        )
        commitment = await self.compute.in_process(commit, remade, self._leaf_size)
        if commitment != known.commitments[slot.number - 1]:
            raise IntegrityError(
                f"piece {piece} of slot {slot.number} of file {session.file.hex()} came out "
                "otherwise than before: upload it again"
            )
        return remade

    async def _pulled(self, session: Session, other: SlotState, piece: int) -> bytes | None:
        key = ReplicaKey(session.file, other.number, piece)
        try:
            data = await self._again(lambda: self._peer(other.node).pull(key))
        except XdbError:
            return None  # its own pushes will find out
        found = await self.compute.in_process(commit, data, self._leaf_size)
        return data if found == session.sealed[piece].commitments[other.number - 1] else None

    async def _push(  # a replica and its place
        self,
        session: Session,
        slot: SlotState,
        piece: int,
        commitment: Commitment,
        sealed: Buffer,
    ) -> None:
        ref = session.slot_ref(slot.number)
        await self._again(lambda: self._peer(slot.node).push(ref, piece, commitment, sealed))

    async def _again(self, call: Callable[[], Awaitable[T]]) -> T:
        pause = FIRST_PAUSE
        for _ in range(ATTEMPTS - 1):
            try:
                return await call()
            except StorageFullError:
                raise
            except (UnavailableError, IntegrityError):
                await self.clock.sleep(pause)
                pause *= 2
        return await call()

    def _peer(self, node: NodeId) -> StoragePeer:
        return self.peers.peer(self._record(node))

    def _record(self, node: NodeId) -> NodeRecord:
        view = self.index.node(node)
        if view is None:
            raise NotFoundError(f"node {node.hex()} is not registered any more")
        return view.record

    @property
    def _leaf_size(self) -> int:
        return self.index.parameters.leaf_size


class _NewHolderError(Exception):
    """The holder just chosen failed, too."""

    def __init__(self, reason: XdbError) -> None:
        super().__init__(str(reason))
        self.reason = reason


def _mark(slot: SlotState, piece: int, commitment: Commitment) -> None:
    if piece not in slot.stored:
        slot.stored.add(piece)
        slot.size += commitment.length
