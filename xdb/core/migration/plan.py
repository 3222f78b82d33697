"""The plan of one cycle: most endangered files first, within the limits of the cycle.

A step adds a holding before the registry drops the old one, so no step, done or failed,
lowers the number of good copies; only SHRINK does, down to what the policy asks for. Steps
of one file are chained by version: each is made for the record as the one before leaves
it, and is out of date otherwise.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from xdb.core.migration.model import (
    Action,
    Deferred,
    Hold,
    MigrationConfig,
    Plan,
    PlanFile,
    PlanNode,
    Step,
)
from xdb.core.migration.needs import Judge, Need, Needs
from xdb.core.migration.targets import Targets, Vacancy
from xdb.errors import PlacementError
from xdb.model.ids import NodeId
from xdb.model.registry import Parameters


def plan(
    files: Iterable[PlanFile],
    nodes: Sequence[PlanNode],
    parameters: Parameters,
    now: int,
    config: MigrationConfig,
) -> Plan:
    """What to do now. The order of files and nodes does not matter."""
    judge = Judge({node.candidate.node: node for node in nodes}, parameters, now, config)
    found = [judge.needs(file) for file in files]
    draft = _Draft(Targets(nodes), _Budget(config.steps_per_cycle, config.bytes_per_cycle))
    for needs in sorted(found, key=lambda needs: needs.order):
        draft.add(needs)
    return Plan(tuple(draft.steps), tuple(draft.deferred))


@dataclass(slots=True)
class _Budget:
    """What a cycle may still do. What does not fit ends it, so that nothing overtakes."""

    steps: int
    size: int
    is_fresh: bool = True

    def has_room(self, size: int) -> bool:
        """Whether a step fits; the first always does, or a large slot would never."""
        if self.is_fresh:
            return True
        if self.steps < 1 or size > self.size:
            self.steps = 0
        return self.steps > 0

    def spend(self, size: int) -> None:
        """Takes a step into account."""
        self.is_fresh = False
        self.steps -= 1
        self.size -= size


class _Draft:
    """A plan in the making."""

    def __init__(self, targets: Targets, budget: _Budget) -> None:
        self.steps: list[Step] = []
        self.deferred: list[Deferred] = []
        self._targets = targets
        self._budget = budget

    def add(self, needs: Needs) -> None:
        """Plans for one file."""
        self.deferred += needs.deferred
        version = needs.file.version
        holders = {slot.holding.node for slot in needs.file.health.slots}
        for need in sorted(needs.needs, key=_turn):
            step = self._step(needs, need, version, holders)
            if step is None:
                if need.action is Action.EXTEND:
                    break  # they come last, and none can be added before this one
                continue
            self.steps.append(step)
            version += step.action is not Action.RESTORE
            holders.add(step.target)

    def _step(self, needs: Needs, need: Need, version: int, holders: set[NodeId]) -> Step | None:
        file = needs.file.health.file
        if not self._budget.has_room(need.size):
            cause = "this cycle has enough to do: its turn comes in a later one"
            self.deferred.append(Deferred(file, need.slot, Hold.RATE, cause))
            return None
        stays = need.action in {Action.RESTORE, Action.SHRINK}
        target = need.source if stays else None
        try:
            target = target or self._targets.choose(_vacancy(needs, need, version, holders))
        except PlacementError as error:
            cause = f"{need.cause}; {error}"
            self.deferred.append(Deferred(file, need.slot, Hold.NO_TARGET, cause))
            return None
        self._budget.spend(need.size)
        return Step(
            need.action, file, version, need.slot, need.source, target, need.size, need.cause
        )


def _vacancy(needs: Needs, need: Need, version: int, holders: set[NodeId]) -> Vacancy:
    """`holders` are the nodes of all slots, and those of earlier steps."""
    own = {need.source} if need.source is not None else set()
    return Vacancy(
        file=needs.file.health.file,
        version=version,
        slot=need.slot,
        size=need.size,
        taken=holders - own,
        barred=() if need.may_stay else own,
        only_healthy=not need.is_urgent,
    )


def _turn(need: Need) -> tuple[bool, bool, int, int]:
    """Restoring needs no transaction; new slots come last and in order, old ones go backwards."""
    is_new = need.action is Action.EXTEND
    slot = -need.slot if need.action is Action.SHRINK else need.slot
    return need.action is not Action.RESTORE, is_new, 0 if is_new else need.since, slot
