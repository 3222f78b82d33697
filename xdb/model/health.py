"""Health: what was seen of nodes and holdings, and what follows. Times are chain time."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from xdb.model.ids import FileId, NodeId, Tag
from xdb.model.registry import Coding, NodeState, Redundancy


class Colour(IntEnum):
    """Better ones first; the numbers of proto/xdb/v1/owner.proto."""

    GREEN = 1
    YELLOW = 2
    RED = 3
    LOST = 4


class Verdict(IntEnum):
    """What an epoch said of a node that had something to prove."""

    PROVED = 1
    FAILED = 2  # the node admitted loss
    MISSED = 3  # no valid proof before the epoch closed
    VOID = 4  # no seed, or missed by more than half: says nothing about anybody


class Reason(IntEnum):
    """Why a holding is repaired or moved, the gravest first."""

    LOST = 1  # the node gave it up
    LEFT = 2  # the node is gone for good
    DAMAGED = 3  # the node lists it as damaged, or showed it
    SILENT = 4  # no heartbeat, no answer
    MISSED = 5  # two epochs in a row without a proof
    DRAINING = 6  # the node wants to be empty

    @property
    def is_final(self) -> bool:
        """Whether waiting cannot bring the holding back."""
        return self in {Reason.LOST, Reason.LEFT}


@dataclass(frozen=True, slots=True)
class Trigger:
    """A reason that applies since a time, in a sentence for people."""

    reason: Reason
    since: int
    sentence: str


@dataclass(frozen=True, slots=True)
class EpochVerdict:
    """A closed epoch's verdict on a node."""

    epoch: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Silence:
    """Probes without an answer since the last answer: the first and the newest of them."""

    first: int
    latest: int


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A node as chain and probes show it.

    `heartbeats` counts those within the health window, `verdicts` are those of closed
    epochs in which it had something to prove, in order; older ones do no harm.
    """

    node: NodeId
    state: NodeState
    state_since: int
    registered: int
    last_heartbeat: int  # 0 before the first
    heartbeats: int
    verdicts: tuple[EpochVerdict, ...] = ()
    silence: Silence | None = None  # None: the last probe was answered, or there was none


@dataclass(frozen=True, slots=True)
class HoldingFacts:
    """A slot's present holding. Times are 0 when it did not happen; `size` is bytes."""

    slot: int
    node: NodeId
    size: int
    lost: int = 0  # when the node gave it up
    damaged: int = 0  # since when damage in it is known
    moved: int = 0  # when a Move or Extend brought it to the node


@dataclass(frozen=True, slots=True)
class Tally:
    """Verdicts that count."""

    proved: int = 0
    failed: int = 0
    missed: int = 0

    @property
    def total(self) -> int:
        """Epochs that count."""
        return self.proved + self.failed + self.missed


@dataclass(frozen=True, slots=True)
class NodeHealth:
    """A node's score in millionths, its colour and where they come from."""

    node: NodeId
    score: int
    colour: Colour
    tally: Tally
    heartbeats: int
    expected: int


@dataclass(frozen=True, slots=True)
class SlotHealth:
    """A slot's holding and what is wrong with it, the gravest first."""

    holding: HoldingFacts
    triggers: tuple[Trigger, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether it counts towards the policy."""
        return not self.triggers

    @property
    def is_readable(self) -> bool:
        """Whether it counts towards the minimum: a draining node still serves what it has."""
        return all(trigger.reason is Reason.DRAINING for trigger in self.triggers)


@dataclass(frozen=True, slots=True)
class FileHealth:
    """A file's slots in order, and what its record and its namespace ask for."""

    file: FileId
    namespace: Tag
    redundancy: Redundancy
    policy: Redundancy
    slots: tuple[SlotHealth, ...]

    @property
    def wanted(self) -> int:
        """Slots that should be good: what the policy says, as far as the file can follow it."""
        mine, asked = self.redundancy, self.policy
        same = (mine.coding, mine.required) == (asked.coding, asked.required)
        if not same:
            return mine.total
        # Pieces of erasure coding are there for good, copies can be added.
        can_grow = mine.coding is Coding.COPIES
        return asked.total if can_grow else min(asked.total, mine.total)

    @property
    def good(self) -> int:
        """Slots that are good."""
        return sum(slot.is_good for slot in self.slots)

    @property
    def spare(self) -> int:
        """Readable slots above the minimum; below 0 the file is lost unless some come back."""
        return sum(slot.is_readable for slot in self.slots) - self.redundancy.required


@dataclass(frozen=True, slots=True)
class Summary:
    """How many of a kind have which colour."""

    green: int = 0
    yellow: int = 0
    red: int = 0
    lost: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.green + self.yellow + self.red + self.lost

    @property
    def worst(self) -> Colour:
        """The worst colour there is; green when there are none."""
        counts = {Colour.LOST: self.lost, Colour.RED: self.red, Colour.YELLOW: self.yellow}
        return next((colour for colour, count in counts.items() if count), Colour.GREEN)


class Kind(IntEnum):
    """What has a colour."""

    NODE = 1
    FILE = 2
    NAMESPACE = 3
    SYSTEM = 4


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """A node, file or namespace by its id; the system has none."""

    kind: Kind
    id: bytes = b""


@dataclass(frozen=True, slots=True)
class Standing:
    """A subject's colour, why it has it, and what to do."""

    colour: Colour
    cause: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Change:
    """A subject went from one colour to another."""

    time: int
    subject: Subject
    before: Colour
    after: Colour
    cause: str
    remedy: str


Snapshot = Mapping[Subject, Standing]
"""All subjects at one time."""
