"""One slice on its way: hashed, journaled, encrypted, coded, sealed, pushed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from xdb.core.coding import piece_length, pieces
from xdb.core.encryption import encrypt_slice
from xdb.core.sealing import seal_and_commit
from xdb.core.slicing import TAG
from xdb.errors import SourceChangedError
from xdb.model.buffer import Buffer
from xdb.model.ids import Digest
from xdb.model.registry import Coding
from xdb.model.storage import Commitment
from xdb.ports.compute import Compute
from xdb.services.together import together
from xdb.services.upload.holders import Holders
from xdb.services.upload.journal import Journal, SliceEntry
from xdb.services.upload.request import Progress, Stage
from xdb.services.upload.session import SealedSlice, Session, SlotState
from xdb.services.upload.source import SMALL, PlainSlice


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
        begun = await self._begin(piece, SliceEntry(digest, plain.last))
        if not self._is_kept(begun, piece, len(plain.data) + TAG):
            ciphertext, cipher_digest = await self._encrypt(plain)
            del plain  # nobody needs the plaintext any more
            await self._seal_and_store(begun, piece, ciphertext, cipher_digest)
            if begun.last and piece == 0:
                return  # what follows at once says more, or it is sent again
            entry = session.slice_entry(begun, piece)
            await self.journal.end_slice(session.request.upload, piece, entry)
        self._report("")

    async def _begin(self, piece: int, entry: SliceEntry) -> SliceEntry:
        """What the journal has of the slice; its digest is durable from now on."""
        session = self.session
        earlier = session.earlier.get(piece)
        if earlier is None:
            first = None if session.journaled else session.entry
            session.journaled = True
            await self.journal.begin_slice(session.request.upload, piece, entry, first)
            return entry
        if (earlier.plaintext, earlier.last) != (entry.plaintext, entry.last):
            raise SourceChangedError(
                f"the source of {session.request.name} has changed since the upload began: "
                "upload it again under a new upload id"
            )
        return earlier

    def _is_kept(self, begun: SliceEntry, piece: int, length: int) -> bool:
        """Whether all holders have the slice since an earlier attempt, durably."""
        session = self.session
        if begun.ciphertext is None or any(
            node != slot.node for node, slot in zip(begun.stored, session.slots, strict=True)
        ):
            return False
        size = piece_length(session.redundancy, length)
        commitments = tuple(Commitment(size, root) for root in begun.roots)
        session.sealed[piece] = SealedSlice(begun.ciphertext, length, commitments)
        for slot in session.slots:
            slot.mark(piece, size)
        return True

    async def _encrypt(self, plain: PlainSlice) -> tuple[bytes, Digest]:
        session = self.session
        key, prefix, file = session.content_key, session.entry.prefix, session.file
        arguments = (key, prefix, file, plain.index, plain.last, plain.data)
        if len(plain.data) <= SMALL:
            return _encrypted(*arguments)
        return await self.compute.in_thread(_encrypted, *arguments)

    async def _seal_and_store(
        self, begun: SliceEntry, piece: int, ciphertext: bytes, digest: Digest
    ) -> None:
        session, length = self.session, len(ciphertext)
        parts = await self._pieces(ciphertext)
        del ciphertext
        sealed = await together(
            *(
                self._seal(slot, piece, part)
                for slot, part in zip(session.slots, parts, strict=True)
            )
        )
        del parts
        commitments = tuple(commitment for _, commitment in sealed)
        session.sealed[piece] = SealedSlice(digest, length, commitments)
        works = [
            self._store(slot, begun, piece, data)
            for slot, (data, _) in zip(session.slots, sealed, strict=True)
        ]
        del sealed  # each goes when its holder has it
        await together(*works)

    async def _pieces(self, ciphertext: bytes) -> Sequence[Buffer]:
        redundancy = self.session.redundancy
        if redundancy.coding is Coding.COPIES or len(ciphertext) <= SMALL:
            return pieces(redundancy, ciphertext)
        return await self.compute.in_thread(pieces, redundancy, ciphertext)

    async def _seal(self, slot: SlotState, piece: int, part: Buffer) -> tuple[Buffer, Commitment]:
        size = memoryview(part).nbytes
        if size <= SMALL:
            target = bytearray(size)
            return target, seal_and_commit(
                memoryview(part), memoryview(target), slot.key, piece, self.leaf_size
            )
        return await self.compute.transform(
            seal_and_commit, part, size, slot.key, piece, self.leaf_size
        )

    async def _store(self, slot: SlotState, begun: SliceEntry, piece: int, sealed: Buffer) -> None:
        session = self.session
        commitment = session.commitment(slot, piece)
        if begun.ciphertext is not None and begun.stored[slot.number - 1] == slot.node:
            slot.mark(piece, commitment.length)
            return
        note = await self.holders.store(session, slot, piece, sealed)
        if note:
            await self.journal.put(session.request.upload, session.placed())
            self._report(note)

    def _report(self, note: str) -> None:
        session = self.session
        self.report(Progress(Stage.SENDING, session.received, session.progress(), note))


def _encrypted(*arguments: object) -> tuple[bytes, Digest]:
    ciphertext = encrypt_slice(*arguments)  # type: ignore[arg-type]  # passed on as they are
    return ciphertext, Digest(sha256(ciphertext).digest())
