"""What one file needs, before anybody asks where there is room for it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from xdb.core.migration.model import Action, Deferred, Hold, MigrationConfig, PlanFile, PlanNode
from xdb.model.health import FileHealth, Reason, SlotHealth, Trigger
from xdb.model.ids import NodeId
from xdb.model.registry import Coding, NodeState, Parameters


@dataclass(frozen=True, slots=True)
class Need:
    """A slot to be made good. Not urgent: it is good, but its node is not."""

    slot: int
    action: Action
    source: NodeId | None
    size: int
    since: int
    cause: str
    is_urgent: bool = True
    # Whether the present holder may be chosen anew: it lost the bytes, nothing else is wrong.
    may_stay: bool = False


@dataclass(frozen=True, slots=True)
class Needs:
    """All that one file needs, in order, and what has to wait."""

    file: PlanFile
    needs: tuple[Need, ...]
    deferred: tuple[Deferred, ...]

    @property
    def order(self) -> tuple[bool, int, bool, int, bytes]:
        """Most endangered first, but for what was put off; then what is broken; then the oldest."""
        health = self.file.health
        oldest = min((need.since for need in self.needs), default=0)
        calm = not any(need.is_urgent for need in self.needs)
        return self.file.put_off, health.spare, calm, oldest, health.file


@dataclass(frozen=True, slots=True)
class Judge:
    """Looks at files with the same eyes: the nodes, the time and how eager to be."""

    nodes: Mapping[NodeId, PlanNode]
    parameters: Parameters
    now: int
    config: MigrationConfig

    def needs(self, file: PlanFile) -> Needs:
        """What a file needs now."""
        if _can_shrink(file.health):
            found = list[Need | Deferred](self._shrinks(file.health))
        else:
            found = [*self._repairs(file.health), *self._departures(file.health)]
            found += self._extensions(file)
        return Needs(
            file,
            tuple(each for each in found if isinstance(each, Need)),
            tuple(each for each in found if isinstance(each, Deferred)),
        )

    def _repairs(self, health: FileHealth) -> Iterator[Need | Deferred]:
        """Bad slots, as many as are wanted: cheap ones first, then the gravest.

        Those of a file with too many copies that will stay come before the others, and are
        made good even while the others are: only the last slots can be dropped.
        """
        missing = health.wanted - health.good
        staying = health.wanted if _has_surplus(health) else 0
        bad = [slot for slot in health.slots if not slot.is_good]
        for slot in sorted(bad, key=lambda each: (each.holding.slot > staying, *_eagerness(each))):
            # A draining node cannot leave with a slot, and none is dropped before its time.
            stays = slot.holding.slot <= staying
            if missing <= 0 and not stays and not slot.is_readable:
                yield _wait(health, slot, Hold.SURPLUS, "the policy does not ask for it any more")
                continue
            found = self._repair(health, slot)
            yield found
            missing -= isinstance(found, Need) or found.hold is Hold.GRACE

    def _repair(self, health: FileHealth, slot: SlotHealth) -> Need | Deferred:
        if [trigger.reason for trigger in slot.triggers] == [Reason.DAMAGED]:
            damage = slot.triggers[0]
            if self.now - damage.since < self.config.restore_for:
                return self._restore(health, slot, damage)
        elif not self._is_ripe(slot):
            cause = f"{slot.triggers[0].sentence}, which may pass"
            return _wait(health, slot, Hold.GRACE, cause)
        if self._is_settling(slot) and not (_is_final(slot) and health.spare <= 0):
            return self._settle(health, slot)
        return self._move(health, slot, slot.triggers[0])

    def _restore(self, health: FileHealth, slot: SlotHealth, damage: Trigger) -> Need | Deferred:
        node = self.nodes.get(slot.holding.node)
        if node is None or not node.is_reachable or node.state is not NodeState.ONLINE:
            cause = f"{damage.sentence}, and it cannot be reached just now"
            return _wait(health, slot, Hold.WAITING, cause)
        if self._sources(health, slot) < health.redundancy.required:
            return self._stuck(health, slot)
        return _need(slot, Action.RESTORE, damage)

    def _move(
        self, health: FileHealth, slot: SlotHealth, trigger: Trigger, *, is_urgent: bool = True
    ) -> Need | Deferred:
        reasons = {each.reason for each in slot.triggers}
        has_bytes = self._is_reachable(slot) and not reasons & {Reason.LOST, Reason.DAMAGED}
        if has_bytes and slot.is_readable:
            return _need(slot, Action.HANDOVER, trigger, is_urgent=is_urgent)
        if self._sources(health, slot) >= health.redundancy.required:
            return _need(slot, Action.MOVE, trigger, is_urgent=is_urgent)
        if has_bytes:  # a doubtful copy is better than none; its roots are checked
            return _need(slot, Action.HANDOVER, trigger, is_urgent=is_urgent)
        return self._stuck(health, slot)

    def _departures(self, health: FileHealth) -> Iterator[Need | Deferred]:
        """Good slots on nodes to get away from, once the file has nothing worse."""
        if health.good < len(health.slots) or len(health.slots) > health.wanted:
            return
        for slot in health.slots:
            trigger = self._objection(slot)
            if trigger is None:
                continue
            if self.now - trigger.since < self.config.grace:
                yield _wait(health, slot, Hold.GRACE, f"{trigger.sentence}, which may pass")
            elif self._is_settling(slot):
                yield self._settle(health, slot)
            else:
                yield self._move(health, slot, trigger, is_urgent=False)

    def _objection(self, slot: SlotHealth) -> Trigger | None:
        """What speaks against leaving a good slot where it is; its reason is of no interest."""
        node = self.nodes.get(slot.holding.node)
        name = f"node {slot.holding.node.hex()}"
        if node is not None and node.red_since and self.config.leave_red:
            return Trigger(Reason.DRAINING, node.red_since, f"{name} is red")
        if node is not None and not node.candidate.allowed and self.config.leave_denied:
            return Trigger(Reason.DRAINING, 0, f"{name} is denied by the trust lists")
        return None

    def _extensions(self, file: PlanFile) -> Iterator[Need | Deferred]:
        health = file.health
        if not file.is_live:
            return
        if _cannot_follow(health):
            cause = "its slots are for good, and the policy asks for others: upload it again"
            yield Deferred(health.file, 0, Hold.FIXED, cause)
        for number in range(len(health.slots) + 1, health.wanted + 1):
            if self._sources(health, None) < health.redundancy.required:
                cause = "too few of its slots can be read to make another"
                yield Deferred(health.file, number, Hold.NO_SOURCE, cause)
                continue
            cause = f"the policy asks for {health.wanted} slots"
            size = health.slots[0].holding.size
            yield Need(number, Action.EXTEND, None, size, self.now, cause)

    def _shrinks(self, health: FileHealth) -> Iterator[Need]:
        """Copies above the policy, the last first; all that stay are good."""
        wanted = "1 slot" if health.wanted == 1 else f"{health.wanted} slots"
        for slot in reversed(health.slots[health.wanted :]):
            yield Need(
                slot=slot.holding.slot,
                action=Action.SHRINK,
                source=slot.holding.node,
                size=0,
                since=self.now,
                cause=f"the policy asks for {wanted}",
                is_urgent=False,
            )

    def _is_reachable(self, slot: SlotHealth) -> bool:
        node = self.nodes.get(slot.holding.node)
        return node is not None and node.is_reachable

    def _sources(self, health: FileHealth, besides: SlotHealth | None) -> int:
        """Slots that could be read from. Damaged ones have most of their replicas still."""
        return sum(
            self._is_reachable(slot) and all(t.reason is not Reason.LOST for t in slot.triggers)
            for slot in health.slots
            if slot is not besides
        )

    def _stuck(self, health: FileHealth, slot: SlotHealth) -> Deferred:
        cause = (
            f"{slot.triggers[0].sentence if slot.triggers else 'its node is to be left'}; "
            f"{health.redundancy.required} other slots are needed to make it again, "
            f"{self._sources(health, slot)} can be read"
        )
        return _wait(health, slot, Hold.NO_SOURCE, cause)

    def _is_ripe(self, slot: SlotHealth) -> bool:
        return _is_final(slot) or any(
            self.now - trigger.since >= self.config.grace for trigger in slot.triggers
        )

    def _is_settling(self, slot: SlotHealth) -> bool:
        epoch_at = self.parameters.epoch_at
        age = epoch_at(self.now) - epoch_at(slot.holding.moved)
        return bool(slot.holding.moved) and age < self.config.hysteresis

    def _settle(self, health: FileHealth, slot: SlotHealth) -> Deferred:
        cause = f"it was moved less than {self.config.hysteresis} epochs ago"
        return _wait(health, slot, Hold.SETTLING, cause)


def _need(slot: SlotHealth, action: Action, trigger: Trigger, *, is_urgent: bool = True) -> Need:
    holding = slot.holding
    return Need(
        slot=holding.slot,
        action=action,
        source=holding.node,
        size=holding.size,
        since=trigger.since,
        cause=trigger.sentence,
        is_urgent=is_urgent,
        may_stay=[each.reason for each in slot.triggers] == [Reason.LOST],
    )


def _wait(health: FileHealth, slot: SlotHealth, hold: Hold, cause: str) -> Deferred:
    return Deferred(health.file, slot.holding.slot, hold, cause)


def _is_final(slot: SlotHealth) -> bool:
    return any(trigger.reason.is_final for trigger in slot.triggers)


def _eagerness(slot: SlotHealth) -> tuple[bool, bool, int, int]:
    """Draining ones have to go anyway, damaged ones cost no transaction."""
    reason = slot.triggers[0].reason
    return not slot.is_readable, reason is not Reason.DAMAGED, reason, slot.holding.slot


def _has_surplus(health: FileHealth) -> bool:
    """Whether slots could be dropped; pieces of erasure coding are there for good."""
    is_copies = health.redundancy.coding is Coding.COPIES
    return is_copies and 1 <= health.wanted < len(health.slots)


def _can_shrink(health: FileHealth) -> bool:
    """Whether the slots that would stay are all good, so that nothing else is to be done."""
    return _has_surplus(health) and all(slot.is_good for slot in health.slots[: health.wanted])


def _cannot_follow(health: FileHealth) -> bool:
    mine, asked = health.redundancy, health.policy
    if (mine.coding, mine.required) != (asked.coding, asked.required):
        return True
    return mine.coding is Coding.ERASURE and asked.total > mine.total
