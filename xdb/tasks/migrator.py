"""Migrator: an owner node makes a plan and carries it out, step by step."""

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from xdb.core.migration import Action, Step, describe
from xdb.errors import XdbError
from xdb.model.ids import FileId
from xdb.runtime.logging import Log
from xdb.services.candidates import NodeSurvey
from xdb.services.repair.job import Outcome
from xdb.services.repair.planning import Planner
from xdb.services.repair.repairer import Repairer

LONGEST_PUT_OFF = 64
"""Cycles."""


class SlotDamage(Protocol):
    """What of a slot is damaged."""

    @property
    def pieces(self) -> tuple[int, ...]:
        """Its damaged replicas."""
        ...

    @property
    def manifest(self) -> bool:
        """Whether its manifest is."""
        ...


class Damages(Protocol):
    """Damage that was seen, and is no more once it is restored."""

    def damage(self, file: FileId, slot: int) -> SlotDamage | None:
        """What of a slot is damaged, as far as anybody knows."""
        ...

    async def restored(self, file: FileId, slot: int) -> None:
        """It is whole again."""
        ...


@dataclass(frozen=True, slots=True)
class MigratorReport:
    """Steps that were taken, by kind, those that came too late, what waits, what failed."""

    restored: int = 0
    moved: int = 0
    handed_over: int = 0
    extended: int = 0
    shrunk: int = 0
    out_of_date: int = 0
    deferred: int = 0
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class Failures:
    """Files for which steps failed. Each is put off for a while, longer each time.

    Else as many as fit into one cycle would keep all others waiting, again and again.
    """

    cycle: int = 0
    _files: dict[FileId, tuple[int, int]] = field(default_factory=dict)  # times, until which cycle

    def next_cycle(self) -> set[FileId]:
        """The files that are put off in the cycle that begins."""
        self.cycle += 1
        kept = {
            file: (times, until)
            for file, (times, until) in self._files.items()
            if until + LONGEST_PUT_OFF >= self.cycle  # what is older was helped by others, or ended
        }
        self._files = kept
        return {file for file, (_, until) in kept.items() if until >= self.cycle}

    def failed(self, file: FileId) -> None:
        """A step for a file failed."""
        times = self._files.get(file, (0, 0))[0] + 1
        pause = min(LONGEST_PUT_OFF, 2 ** min(times - 1, 10))
        self._files[file] = times, self.cycle + pause

    def succeeded(self, file: FileId) -> None:
        """One did not."""
        self._files.pop(file, None)


@dataclass(frozen=True, slots=True)
class MigratorTask:
    """Of one owner. Steps are taken one after the other, the most urgent first.

    Cycles wait for each other: two at once would take the same steps.
    """

    planner: Planner
    repairer: Repairer
    damages: Damages
    survey: NodeSurvey
    log: Log
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    failures: Failures = field(default_factory=Failures)

    async def run_once(self) -> MigratorReport:
        """One plan, carried out as far as it can be."""
        async with self.turn:
            return await self._cycle()

    async def _cycle(self) -> MigratorReport:
        plan = await self.planner.plan(self.failures.next_cycle())
        tally = _Tally()
        for step in plan.steps:
            try:
                await self._take(step, tally)
            except XdbError as error:
                self.survey.forget(step.target)
                self.failures.failed(step.file)
                tally.problems.append(f"{describe(step)}: {error}")
                self.log.warning("migration.failed", step=describe(step), reason=str(error))
        return tally.report(len(plan.deferred))

    async def _take(self, step: Step, tally: "_Tally") -> None:
        damage = self.damages.damage(step.file, step.slot)
        pieces: tuple[int, ...] = ()
        if damage is not None and not damage.manifest:
            pieces = damage.pieces
        done = await self.repairer.carry_out(step, pieces)
        if done.outcome is Outcome.OUT_OF_DATE:
            tally.out_of_date += 1
            return
        tally.count(step.action)
        self.failures.succeeded(step.file)
        # whatever was done, the replicas that were damaged are not those of the slot any more
        await self.damages.restored(step.file, step.slot)
        self.log.info(
            "migration.done",
            step=describe(step),
            stored=done.stored,
            remade=done.remade,
            notes=list(done.notes),
        )


@dataclass(slots=True)
class _Tally:
    done: dict[Action, int] = field(default_factory=dict)
    out_of_date: int = 0
    problems: list[str] = field(default_factory=list)

    def count(self, action: Action) -> None:
        self.done[action] = self.done.get(action, 0) + 1

    def report(self, deferred: int) -> MigratorReport:
        return MigratorReport(
            restored=self.done.get(Action.RESTORE, 0),
            moved=self.done.get(Action.MOVE, 0),
            handed_over=self.done.get(Action.HANDOVER, 0),
            extended=self.done.get(Action.EXTEND, 0),
            shrunk=self.done.get(Action.SHRINK, 0),
            out_of_date=self.out_of_date,
            deferred=deferred,
            problems=tuple(self.problems),
        )
