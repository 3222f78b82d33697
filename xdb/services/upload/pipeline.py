"""One slice on its way: hashed, journaled, encrypted, coded, sealed, pushed."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from xdb.core.coding import pieces
from xdb.core.encryption import encrypt_slice
from xdb.core.sealing import seal_and_commit, slot_key
from xdb.errors import ConflictError
from xdb.model.ids import Digest
from xdb.model.storage import Commitment
from xdb.ports.compute import Buffer, Compute
from xdb.services.upload.holders import Holders
from xdb.services.upload.journal import Journal, SliceEntry
from xdb.services.upload.request import Progress, Stage
from xdb.services.upload.session import SealedSlice, Session, SlotState
from xdb.services.upload.source import PlainSlice

INLINE = 64 << 10
"""Slices up to this size are worked on here: handing them over costs more."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Takes slices of one upload, several at a time."""

    session: Session
    journal: Journal
    holders: Holders
    compute: Compute
    leaf_size: int
    report: Callable[[Progress], None]

    async def take(self, plain: PlainSlice, digest: Digest) -> None:
        """Returns when every slot has the slice, durably."""
        session, piece = self.session, plain.index
        earlier = session.earlier.get(piece)
        if earlier is not None and (earlier.plaintext, earlier.last) != (digest, plain.last):
            raise ConflictError(
                f"the source of {session.request.name} has changed since the upload began: "
                "upload it again under a new upload id"
            )
        session.plain[piece] = earlier or SliceEntry(digest, plain.last)
        if earlier is None:
            await self.journal.begin_slice(session.request.upload, piece, session.plain[piece])
        ciphertext, cipher_digest = await self._encrypt(plain)
        await self._seal_and_store(piece, ciphertext, cipher_digest)
        await self.journal.end_slice(session.request.upload, piece, session.slice_entry(piece))
        self.report(Progress(Stage.SENDING, session.received, session.progress()))

    async def _encrypt(self, plain: PlainSlice) -> tuple[bytes, Digest]:
        session = self.session
        arguments = (
            session.content_key,
            session.entry.prefix,
            session.file,
            plain.index,
            plain.last,
            plain.data,
        )
        if len(plain.data) <= INLINE:
            return _encrypted(*arguments)
        return await self.compute.in_thread(_encrypted, *arguments)

    async def _seal_and_store(self, piece: int, ciphertext: bytes, digest: Digest) -> None:
        session = self.session
        parts = pieces(session.redundancy, ciphertext)
        sealed = await asyncio.gather(
            *(
                self._seal(slot, piece, part)
                for slot, part in zip(session.slots, parts, strict=True)
            )
        )
        commitments = tuple(commitment for _, commitment in sealed)
        session.sealed[piece] = SealedSlice(digest, len(ciphertext), commitments)
        await asyncio.gather(
            *(
                self._store(slot, piece, data)
                for slot, (data, _) in zip(session.slots, sealed, strict=True)
            )
        )

    async def _seal(self, slot: SlotState, piece: int, part: Buffer) -> tuple[bytes, Commitment]:
        key, size = slot_key(self.session.sealing_key, slot.number), memoryview(part).nbytes
        if size <= INLINE:
            target = bytearray(size)
            commitment = seal_and_commit(
                memoryview(part), memoryview(target), key, piece, self.leaf_size
            )
            return bytes(target), commitment
        return await self.compute.transform(seal_and_commit, part, size, key, piece, self.leaf_size)

    async def _store(self, slot: SlotState, piece: int, sealed: bytes) -> None:
        session = self.session
        earlier = session.earlier.get(piece)
        if earlier is not None and earlier.roots:
            kept = earlier.stored[slot.number - 1] == slot.node
            same = earlier.roots[slot.number - 1] == _commitment(session, slot, piece).root
            if kept and same:  # durable there since an earlier attempt
                slot.stored.add(piece)
                slot.size += len(sealed)
                return
        note = await self.holders.store(session, slot, piece, sealed)
        if note:
            await self.journal.put(session.request.upload, session.placed())
            self.report(Progress(Stage.SENDING, session.received, session.progress(), note))


def _commitment(session: Session, slot: SlotState, piece: int) -> Commitment:
    return session.sealed[piece].commitments[slot.number - 1]


def _encrypted(*arguments: object) -> tuple[bytes, Digest]:
    ciphertext = encrypt_slice(*arguments)  # type: ignore[arg-type]  # passed on as they are
    return ciphertext, Digest(sha256(ciphertext).digest())
