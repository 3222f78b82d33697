"""What a migration plan is made from, gathered: files in need, and every node's condition."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Protocol

from xdb.core.migration import MigrationConfig, Plan, PlanFile, PlanNode, plan
from xdb.core.placement import Candidate
from xdb.index.index import Index
from xdb.index.views import FileStatus, FileView, NodeView
from xdb.model.health import Colour, FileHealth, Kind, Subject
from xdb.model.ids import Address, NodeId
from xdb.model.registry import NodeState
from xdb.ports.clock import Clock
from xdb.services.candidates import NodeSurvey
from xdb.services.health.book import HealthBook
from xdb.services.health.look import Look, Observed

PAGE = 200
"""Files between which others get their turn."""
MOST_FILES = 10_000
"""Files in need that one plan is made for; those that do not fit have their turn later."""


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

    async def plan(self) -> Plan:
        """What to do now; nothing is done."""
        look = Look(self.index, self.probed, self.index.head.time)
        nodes = await self._nodes(look)
        poor = {node.candidate.node for node in nodes if self._is_poor(node)}
        files = [file async for file in self._files(look, poor)]
        return plan(files, nodes, self.index.parameters, look.now, self.config)

    async def _files(self, look: Look, poor: set[NodeId]) -> AsyncIterator[PlanFile]:
        found, after = 0, b""
        while found < MOST_FILES:
            page = self.index.files(self.owner, status=None, after=after, limit=PAGE)
            for view in page.items:
                status, health = self.index.status(view), look.file(view)
                # what is in retention is kept up, too: it can be brought back
                if status is not FileStatus.GONE and _is_in_need(health, view, poor):
                    found += 1
                    yield PlanFile(health, view.record.version, status is FileStatus.LIVE)
            after = page.next
            if not after:
                return
            await self.clock.sleep(0)

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


def _is_in_need(health: FileHealth, view: FileView, poor: set[NodeId]) -> bool:
    if health.good < len(health.slots) or len(health.slots) != health.wanted:
        return True
    return not poor.isdisjoint(view.record.holders)
