"""One upload under way: its keys, its holders, and what is where."""

import asyncio
from dataclasses import dataclass, field, replace

from xdb.core.slicing import TAG
from xdb.model.ids import Address, Digest, FileId, NodeId
from xdb.model.registry import Redundancy
from xdb.model.storage import Commitment, SlotRef
from xdb.services.upload.journal import Entry, SliceEntry
from xdb.services.upload.request import HolderProgress, UploadRequest

NOBODY = NodeId(Address(bytes(20)))
"""In the journal, in place of the node of a replica that is not durable."""


@dataclass(frozen=True, slots=True)
class SealedSlice:
    """What is known of a slice whose replicas were made: digest, and commitments by slot."""

    ciphertext: Digest
    length: int
    commitments: tuple[Commitment, ...]


@dataclass(slots=True)
class SlotState:
    """A slot: who has it, under which key it is sealed, and which pieces are durable there."""

    number: int
    node: NodeId
    key: bytes
    stored: set[int] = field(default_factory=set)
    size: int = 0
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def mark(self, piece: int, length: int) -> None:
        """A piece of that length is durable at the slot's node."""
        if piece not in self.stored:
            self.stored.add(piece)
            self.size += length

    def unmark(self, piece: int, length: int) -> None:
        """It is not, after all."""
        if piece in self.stored:
            self.stored.discard(piece)
            self.size -= length

    def moves_to(self, node: NodeId) -> None:
        """Another node has the slot, and nothing of it yet."""
        self.node, self.stored, self.size = node, set(), 0


@dataclass(slots=True)
class Session:
    """State of one upload in memory. `earlier` are the slices of earlier attempts.

    `journaled`: the journal has the entry. `failed`: nodes that failed, and how; `doubted`:
    those that did not give back what they took.
    """

    request: UploadRequest
    entry: Entry
    ref: SlotRef
    label: bytes
    content_key: bytes
    sealing_key: bytes
    slots: list[SlotState]
    earlier: dict[int, SliceEntry]
    journaled: bool
    received: int = 0
    sealed: dict[int, SealedSlice] = field(default_factory=dict)
    failed: dict[NodeId, str] = field(default_factory=dict)
    doubted: set[NodeId] = field(default_factory=set)

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

    def commitment(self, slot: SlotState, piece: int) -> Commitment:
        """To a slot's replica of a slice."""
        return self.sealed[piece].commitments[slot.number - 1]

    def progress(self) -> tuple[HolderProgress, ...]:
        """Durable bytes by holder."""
        return tuple(HolderProgress(slot.number, slot.node, slot.size) for slot in self.slots)

    def placed(self) -> Entry:
        """The journal's entry with the holders of now."""
        self.entry = replace(self.entry, holders=tuple(slot.node for slot in self.slots))
        return self.entry

    def slice_entry(self, begun: SliceEntry, piece: int) -> SliceEntry:
        """What the journal keeps of a slice whose replicas are made."""
        sealed = self.sealed[piece]
        return replace(
            begun,
            ciphertext=sealed.ciphertext,
            roots=tuple(commitment.root for commitment in sealed.commitments),
            stored=tuple(slot.node if piece in slot.stored else NOBODY for slot in self.slots),
        )
