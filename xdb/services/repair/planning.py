"""What a migration plan is made from, gathered: files in need, and every node's condition."""

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field, replace
from typing import Protocol

from xdb.core.migration import MigrationConfig, Plan, PlanFile, PlanNode, plan
from xdb.core.migration.needs import Judge, Needs
from xdb.core.placement import Candidate
from xdb.index.index import Index
from xdb.index.views import FileStatus, FileView, NodeView
from xdb.model.health import Colour, FileHealth, Kind, Subject
from xdb.model.ids import Address, FileId, NodeId
from xdb.model.registry import NodeState
from xdb.ports.clock import Clock
from xdb.services.candidates import NodeSurvey
from xdb.services.health.book import HealthBook
from xdb.services.health.look import Look, Observed, Viewpoint
from xdb.services.turns import Turns

PAGE = 50
"""Files between which others get their turn."""
MOST_FILES = 2_000
"""Files that one plan is made for: the most endangered of those for which something can be
done now, and as many that have to wait. The others have their turn later."""


class Probed(Observed, Protocol):
    """What the owner's probes showed, and whether a node answered the last."""

    def is_reachable(self, node: NodeId) -> bool | None:
        """Whether it answered; None when it was not asked yet."""
        ...


@dataclass(frozen=True, slots=True)
class Planner:
    """Makes plans for the files of one owner."""

    owner: Address
    index: Index
    probed: Probed
    book: HealthBook
    survey: NodeSurvey
    clock: Clock
    config: MigrationConfig

    async def plan(self, put_off: Collection[FileId] = ()) -> Plan:
        """What to do now; nothing is done. Files that are put off come after all others."""
        look = Viewpoint(self.index, self.probed).look()
        nodes = await self._nodes(look)
        poor = {node.candidate.node for node in nodes if self._is_poor(node)}
        by_id = {node.candidate.node: node for node in nodes}
        judge = Judge(by_id, self.index.parameters, look.now, self.config)
        chosen = _Chosen(judge)
        async for file in self._files(look, poor, put_off):
            chosen.add(file)
        return plan(chosen.files(), nodes, self.index.parameters, look.now, self.config)

    async def _files(
        self, look: Look, poor: set[NodeId], put_off: Collection[FileId]
    ) -> AsyncIterator[PlanFile]:
        after, turns = b"", Turns(self.clock)
        unreadable: list[str] = []  # the health task tells of them
        while True:
            page = self.index.files(
                self.owner, status=None, after=after, limit=PAGE, problems=unreadable
            )
            for view in page.items:
                status, health = self.index.status(view), look.file(view)
                # what is in retention is kept up, too: it can be brought back
                if status is not FileStatus.GONE and _is_in_need(health, view, poor):
                    is_live, waits = status is FileStatus.LIVE, health.file in put_off
                    yield PlanFile(health, view.record.version, is_live, waits)
            after = page.next
            if not after:
                return
            await turns.rest()

    async def _nodes(self, look: Look) -> list[PlanNode]:
        candidates = {each.node: each for each in (await self.survey.candidates()).nodes}
        return [self._node(look, view, candidates) for view in self.survey.views(left=True)]

    def _node(self, look: Look, view: NodeView, candidates: dict[NodeId, Candidate]) -> PlanNode:
        record = view.record
        node = record.node
        candidate = candidates.get(node) or Candidate(
            node, record.operator, record.zone, free=0, healthy=False
        )
        condition = look.node(node)
        answered = self.probed.is_reachable(node)
        is_red = condition is not None and condition.health.colour is Colour.RED
        return PlanNode(
            candidate=replace(candidate, allowed=self.survey.trust.allows(view)),
            state=record.state,
            is_reachable=record.state is not NodeState.LEFT
            and (node in candidates if answered is None else answered),
            triggers=() if condition is None else condition.triggers,
            red_since=self.book.since(Subject(Kind.NODE, node)) if is_red else 0,
        )

    def _is_poor(self, node: PlanNode) -> bool:
        """Whether good slots are to leave it."""
        is_left = bool(node.red_since) and self.config.leave_red
        return is_left or (not node.candidate.allowed and self.config.leave_denied)


@dataclass(slots=True)
class _Chosen:
    """The files that a plan is made for, of any number."""

    judge: Judge
    able: list[Needs] = field(default_factory=list)
    waiting: list[PlanFile] = field(default_factory=list)

    def add(self, file: PlanFile) -> None:
        """One more. What has to wait keeps no room from what can be helped."""
        needs = self.judge.needs(file)
        if needs.needs:
            self.able.append(needs)
            if len(self.able) >= 2 * MOST_FILES:
                self._trim()
        elif len(self.waiting) < MOST_FILES:
            self.waiting.append(file)

    def files(self) -> list[PlanFile]:
        """All of them."""
        self._trim()
        return [*(needs.file for needs in self.able), *self.waiting]

    def _trim(self) -> None:
        self.able = sorted(self.able, key=lambda needs: needs.order)[:MOST_FILES]


def _is_in_need(health: FileHealth, view: FileView, poor: set[NodeId]) -> bool:
    if health.good < len(health.slots) or len(health.slots) != health.wanted:
        return True
    return not poor.isdisjoint(view.record.holders)
