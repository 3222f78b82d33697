"""Health, plans and probes as the client library tells them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from xdb.client.records import Health
from xdb.model.ids import FileId, NodeId, Tag
from xdb.model.registry import NodeState


class HealthKind(IntEnum):
    """What has a colour."""

    NODE = 1
    FILE = 2
    NAMESPACE = 3
    SYSTEM = 4


@dataclass(frozen=True, slots=True)
class Standing:
    """A colour, why, and what to do."""

    colour: Health
    cause: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Counts:
    """How many have which colour."""

    green: int
    yellow: int
    red: int
    lost: int


@dataclass(frozen=True, slots=True)
class Ailing:
    """Something that is not green. A file is named `namespace/name`, a node by its address."""

    kind: HealthKind
    id: bytes
    name: str
    standing: Standing
    since: datetime | None


@dataclass(frozen=True, slots=True)
class SystemHealth:
    """Everything, as the last look found it; of many bad files only the worst are named."""

    standing: Standing
    as_of: datetime
    files: Counts
    nodes: Counts
    worst_files: tuple[Ailing, ...]
    worst_nodes: tuple[Ailing, ...]


@dataclass(frozen=True, slots=True)
class NamespaceHealth:
    """A namespace, as the last look found it."""

    standing: Standing
    as_of: datetime
    files: Counts
    worst_files: tuple[Ailing, ...]
    namespace: Tag
    name: str


@dataclass(frozen=True, slots=True)
class Trigger:
    """Why a slot is repaired, in a word and a sentence, and since when."""

    reason: str
    since: datetime
    sentence: str


@dataclass(frozen=True, slots=True)
class NodeHealth:
    """A node now; without `standing` it has left. The score is in millionths.

    `probed` is None when the owner node has not asked it yet; `probe` says what was wrong.
    """

    node: NodeId
    address: str
    state: NodeState
    standing: Standing | None
    since: datetime | None
    as_of: datetime
    score: int
    proved: int
    failed: int
    missed: int
    heartbeats: int
    expected: int
    triggers: tuple[Trigger, ...]
    probed: datetime | None
    answered: bool
    probe: str


@dataclass(frozen=True, slots=True)
class SlotHealth:
    """A slot and what is wrong with it, the gravest first."""

    slot: int
    node: NodeId
    address: str
    good: bool
    triggers: tuple[Trigger, ...]


@dataclass(frozen=True, slots=True)
class FileHealth:
    """A file now. `wanted` slots should be good, `required` are needed to read it."""

    file: FileId
    namespace: str
    name: str
    standing: Standing
    since: datetime | None
    as_of: datetime
    good: int
    wanted: int
    required: int
    slots: tuple[SlotHealth, ...]


@dataclass(frozen=True, slots=True)
class HealthEvent:
    """A change of colour."""

    time: datetime
    kind: HealthKind
    id: bytes
    name: str
    before: Health
    after: Health
    cause: str
    remedy: str


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """What would be done to a slot. `target` receives `size` bytes."""

    action: str
    file: FileId
    slot: int
    source: NodeId | None
    target: NodeId
    size: int
    sentence: str


@dataclass(frozen=True, slots=True)
class DeferredSlot:
    """What has to wait, and why. Slot 0 is the file as a whole."""

    file: FileId
    slot: int
    hold: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in order; `waiting` counts all that waits, `deferred` are the first of it."""

    steps: tuple[PlannedStep, ...]
    deferred: tuple[DeferredSlot, ...]
    waiting: int


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """What a cycle of repair did."""

    restored: int
    moved: int
    handed_over: int
    extended: int
    shrunk: int
    out_of_date: int
    deferred: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DamagedSlot:
    """A slot of which something is damaged."""

    file: FileId
    slot: int


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """A node's probe: `right` and `wrong` count leaves, `text` says what was wrong."""

    node: NodeId
    answered: bool
    text: str
    right: int
    wrong: int
    damaged: tuple[DamagedSlot, ...]


@dataclass(frozen=True, slots=True)
class AuditReport:
    """Probes of nodes. `note` says why silences do not count."""

    findings: tuple[AuditFinding, ...]
    note: str
    problems: tuple[str, ...]


HealthPage = tuple[Sequence[HealthEvent], bytes]
"""Some changes, and where to go on."""
