"""A step being carried out, and what became of it."""

from dataclasses import dataclass, field, replace
from enum import IntEnum

from xdb.core.coding import piece_length
from xdb.core.migration.model import Action, Step
from xdb.index.views import FileStatus, FileView
from xdb.model.ids import NodeId
from xdb.model.registry import Coding, FileRecord, Redundancy
from xdb.model.storage import RECORDED, Commitment, SlotRef
from xdb.model.units import Size
from xdb.services.manifests import Described

MOST_NOTES = 100
"""Notes of one step. A slot with many wrong pieces says the same again and again."""


@dataclass(frozen=True, slots=True)
class RepairConfig:
    """Bounds: bytes in flight over all steps, and pieces of one step at once."""

    window: Size = 64 << 20
    pieces: int = 3


class Outcome(IntEnum):
    """How a step ended that did not fail."""

    DONE = 1
    OUT_OF_DATE = 2  # the record is not as the step was planned for: nothing was changed


@dataclass(frozen=True, slots=True)
class Done:
    """A step that did not fail.

    `stored` are the replicas that its node has now because of it, `remade` those of them
    that were made from other slots. `notes` say what was wrong with which source.
    """

    step: Step
    outcome: Outcome
    stored: int = 0
    remade: int = 0
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Job:
    """One step under way. `failed` are nodes that did not answer it as sources."""

    step: Step
    file: Described
    sealing_key: bytes
    failed: set[NodeId] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    stored: int = 0
    remade: int = 0

    @property
    def record(self) -> FileRecord:
        """The file's record as the step begins."""
        return self.file.view.record

    @property
    def ref(self) -> SlotRef:
        """The slot to be filled."""
        return SlotRef(self.step.file, self.step.slot, self.record.owner, RECORDED)

    @property
    def redundancy(self) -> Redundancy:
        """The file's, once the step is done."""
        now = self.record.redundancy
        return replace(now, total=max(now.total, self.step.slot))

    @property
    def named(self) -> str:
        """The slot in a sentence."""
        return f"slot {self.step.slot} of file {self.step.file.hex()}"

    def cost(self, piece: int) -> int:
        """Bytes that a piece takes at most at one time, when it has to be made again."""
        length, redundancy = self.file.layout.cipher_length(piece), self.redundancy
        if redundancy.coding is Coding.COPIES:
            return 4 * length  # sealed for one slot, open, sealed for another, opened to compare
        one = piece_length(redundancy, length)
        return length + one * (3 * redundancy.required + redundancy.total + 1)

    def described(self, slot: int, piece: int) -> Commitment | None:
        """What the manifest says of a replica; None for a slot that was added later."""
        manifest, layout = self.file.manifest, self.file.layout
        if slot > len(manifest.slots):
            return None
        length = piece_length(manifest.redundancy, layout.cipher_length(piece))
        return Commitment(length, manifest.slots[slot - 1].replica_roots[piece])

    def note(self, sentence: str) -> None:
        """Something to tell whoever asked for the step."""
        if len(self.notes) < MOST_NOTES:
            self.notes.append(sentence)

    def ended(self, outcome: Outcome) -> Done:
        """What there is to tell of it."""
        return Done(self.step, outcome, self.stored, self.remade, tuple(self.notes))


def applies(step: Step, view: FileView, status: FileStatus) -> bool:
    """Whether the record is as the step was planned for.

    Restoring changes no record: it only needs the slot to be where it was.
    """
    if status is FileStatus.GONE:
        return False
    holders = view.record.holders
    if step.action is Action.EXTEND:
        is_place = step.slot == len(holders) + 1 and status is FileStatus.LIVE
    else:
        is_place = step.slot <= len(holders) and holders[step.slot - 1] == step.source
    if step.action is Action.SHRINK:  # of the slots that stay, none may be in need of it
        is_place &= step.slot == len(holders) and all(slot == step.slot for slot in view.lost)
    return is_place and (step.action is Action.RESTORE or view.record.version == step.version)
