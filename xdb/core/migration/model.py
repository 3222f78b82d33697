"""What a plan is made of, and what it is made from. Times are chain time, sizes bytes."""

from dataclasses import dataclass
from enum import IntEnum

from xdb.core.placement import Candidate
from xdb.errors import ConfigError
from xdb.model.health import FileHealth, Trigger
from xdb.model.ids import FileId, NodeId
from xdb.model.registry import NodeState
from xdb.model.units import Seconds, Size


@dataclass(frozen=True, slots=True)
class MigrationConfig:
    """How eagerly things are moved."""

    grace: Seconds = 600.0  # between a trigger that may pass and the move
    restore_for: Seconds = 3600.0  # damage is restored in place for so long, then moved
    hysteresis: int = 2  # epochs between two moves of a slot
    steps_per_cycle: int = 64
    bytes_per_cycle: Size = 4 << 30
    leave_red: bool = True  # move away from nodes that are red
    leave_denied: bool = False  # and from those that the trust lists deny

    def __post_init__(self) -> None:
        """A limit of nothing would silently repair nothing."""
        if self.steps_per_cycle < 1 or self.bytes_per_cycle < 1:
            raise ConfigError(
                "steps_per_cycle and bytes_per_cycle must be above 0: nothing would be repaired"
            )


@dataclass(frozen=True, slots=True)
class PlanNode:
    """A node. `candidate` says in `allowed` what the trust lists say."""

    candidate: Candidate
    state: NodeState
    is_reachable: bool  # it answered when it was asked last
    triggers: tuple[Trigger, ...] = ()  # those of the node, not of single holdings
    red_since: int = 0  # 0 while it is not red


@dataclass(frozen=True, slots=True)
class PlanFile:
    """A file whose record is not gone."""

    health: FileHealth
    version: int
    is_live: bool = True  # in retention it is kept up, but not extended
    put_off: bool = False  # steps for it failed lately: the others have their turn first


class Action(IntEnum):
    """How a slot is made good."""

    RESTORE = 1  # its bytes go to its node again; nothing on chain
    MOVE = 2  # made again from other slots, for another node or anew for the same
    HANDOVER = 3  # sealed bytes go from its node to another, then as MOVE
    EXTEND = 4  # a copy more, on a node that has none
    SHRINK = 5  # the last copy goes, the policy does not ask for it


@dataclass(frozen=True, slots=True)
class Step:
    """One action on one slot.

    `version` is the record's when the step's turn comes, if the file's earlier steps have
    taken effect; with another one the step is out of date. `cause` says why.

    `size` are the bytes that `target` receives. For SHRINK it receives none: `source` and
    `target` are both the node whose slot goes, the last of the record.
    """

    action: Action
    file: FileId
    version: int
    slot: int
    source: NodeId | None  # the present holder; None for EXTEND
    target: NodeId
    size: int
    cause: str


class Hold(IntEnum):
    """Why a slot has to wait."""

    GRACE = 1  # the trigger may pass by itself
    SETTLING = 2  # it was moved a short while ago
    WAITING = 3  # damaged, and its node cannot be reached just now
    NO_SOURCE = 4  # too few other slots to make it from
    NO_TARGET = 5  # no node to put it on
    RATE = 6  # enough for this cycle
    SURPLUS = 7  # the policy does not ask for it any more
    FIXED = 8  # no change of slots leads to the policy


@dataclass(frozen=True, slots=True)
class Deferred:
    """A slot that is left as it is for now. `slot` is 0 for the file as a whole."""

    file: FileId
    slot: int
    hold: Hold
    sentence: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in the order in which they should be taken, and what has to wait."""

    steps: tuple[Step, ...]
    deferred: tuple[Deferred, ...]
