"""One upload under way: its keys, its holders, and what is where."""

import asyncio
from dataclasses import dataclass, field, replace

from xdb.core.slicing import TAG
from xdb.model.ids import Digest, FileId, NodeId
from xdb.model.registry import Redundancy
from xdb.model.storage import Commitment, SlotRef
from xdb.services.upload.journal import Entry, SliceEntry
from xdb.services.upload.request import HolderProgress, UploadRequest


@dataclass(frozen=True, slots=True)
class SealedSlice:
    """What is known of a slice whose replicas were made: digest, and commitments by slot."""

    ciphertext: Digest
    length: int
    commitments: tuple[Commitment, ...]


@dataclass(slots=True)
class SlotState:
    """A slot: who has it, and which pieces are durable there."""

    number: int
    node: NodeId
    stored: set[int] = field(default_factory=set)
    size: int = 0
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True)
class Session:
    """State of one upload in memory; `journal` slices are those of an earlier attempt."""

    request: UploadRequest
    entry: Entry
    ref: SlotRef
    content_key: bytes
    sealing_key: bytes
    earlier: dict[int, SliceEntry]
    slots: list[SlotState]
    received: int = 0
    sealed: dict[int, SealedSlice] = field(default_factory=dict)
    plain: dict[int, SliceEntry] = field(default_factory=dict)
    failed: dict[NodeId, str] = field(default_factory=dict)

    @property
    def file(self) -> FileId:
        """The file's id."""
        return self.ref.file

    @property
    def redundancy(self) -> Redundancy:
        """The file's."""
        return self.entry.redundancy

    @property
    def body(self) -> int:
        """Plaintext bytes of a full slice."""
        return self.entry.slice_size - TAG

    def slot_ref(self, number: int) -> SlotRef:
        """A slot of the file."""
        return SlotRef(self.ref.file, number, self.ref.owner, self.ref.nonce)

    def progress(self) -> tuple[HolderProgress, ...]:
        """Durable bytes by holder."""
        return tuple(HolderProgress(slot.number, slot.node, slot.size) for slot in self.slots)

    def placed(self) -> Entry:
        """The journal's entry with the holders of now."""
        self.entry = replace(self.entry, holders=tuple(slot.node for slot in self.slots))
        return self.entry

    def slice_entry(self, piece: int) -> SliceEntry:
        """What the journal keeps of a slice whose replicas are durable."""
        plain, sealed = self.plain[piece], self.sealed[piece]
        return SliceEntry(
            plaintext=plain.plaintext,
            last=plain.last,
            ciphertext=sealed.ciphertext,
            roots=tuple(commitment.root for commitment in sealed.commitments),
            stored=tuple(slot.node for slot in self.slots),
        )
