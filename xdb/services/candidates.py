"""Which nodes an owner may use now, and how much they would take."""

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from xdb.core.placement import Candidate
from xdb.errors import XdbError
from xdb.index.index import Index
from xdb.index.views import NodeView
from xdb.model.health import Silence
from xdb.model.ids import NodeId
from xdb.model.registry import NodeState
from xdb.model.storage import NodeStatus
from xdb.ports.clock import Clock
from xdb.ports.peer import StoragePeers
from xdb.ports.spawn import Spawn

FRESH_HEARTBEATS = 3
"""Heartbeats that may be missing before a node counts as unhealthy."""
STATUS_AGE = 10.0
"""Seconds for which a node's word about its room is good."""
SURVEY_AGE = 1.0
"""Seconds for which what follows from chain and answers is good."""
PATIENCE = 2.0
"""Seconds that one waits for a node that never answered yet."""
_PAGE = 500


@dataclass(frozen=True, slots=True)
class TrustConfig:
    """Nodes (hexadecimal ids) and operators; an empty allow list allows all."""

    allow_nodes: frozenset[str] = frozenset()
    deny_nodes: frozenset[str] = frozenset()
    allow_operators: frozenset[str] = frozenset()
    deny_operators: frozenset[str] = frozenset()

    def allows(self, node: NodeView) -> bool:
        """Whether the owner wants to use a node."""
        name, operator = node.record.node.hex(), node.record.operator
        if name in self.deny_nodes or operator in self.deny_operators:
            return False
        return (not self.allow_nodes or name in self.allow_nodes) and (
            not self.allow_operators or operator in self.allow_operators
        )


@dataclass(frozen=True, slots=True)
class Candidates:
    """Candidates for placement, and why the other nodes are none."""

    nodes: tuple[Candidate, ...]
    objections: tuple[tuple[NodeId, str], ...]

    def why_not(self) -> str:
        """The objections in a sentence, the first few."""
        shown = [f"{node.hex()}: {why}" for node, why in self.objections[:5]]
        more = len(self.objections) - len(shown)
        return "; ".join(shown) + (f"; and {more} more" if more > 0 else "")


class Probed(Protocol):
    """What the owner's probes showed."""

    def silence(self, node: NodeId) -> Silence | None:
        """Probes without an answer since the last answer."""
        ...

    def showed_wrong(self, node: NodeId) -> bool:
        """Whether the newest probe was shown something that was not signed for."""
        ...


@dataclass(slots=True)
class NodeSurvey:
    """Asks the index and the nodes themselves; remembers answers for some seconds.

    A node that was asked before is asked again in the background, so that one that does
    not answer holds up nobody.
    """

    index: Index
    peers: StoragePeers
    clock: Clock
    spawn: Spawn
    trust: TrustConfig = TrustConfig()
    probed: Probed | None = None
    _answers: dict[NodeId, tuple[float, NodeStatus | str]] = field(default_factory=dict)
    _asking: dict[NodeId, asyncio.Task[None]] = field(default_factory=dict)
    _made: tuple[float, Candidates] | None = None

    def views(self, *, left: bool = False) -> list[NodeView]:
        """All nodes; with `left` also those that have left."""
        found: list[NodeView] = []
        after = b""
        while page := self.index.nodes(after=after, limit=_PAGE):
            found += page
            after = page[-1].record.node
        return [view for view in found if left or view.record.state is not NodeState.LEFT]

    def is_fresh(self, view: NodeView) -> bool:
        """Whether the node was heard of lately."""
        heard = max(view.last_heartbeat, view.record.registered)
        silence = self.index.head.time - heard
        return silence <= FRESH_HEARTBEATS * self.index.parameters.heartbeat

    async def candidates(self) -> Candidates:
        """All nodes, as candidates or with an objection."""
        now = self.clock.monotonic()
        if self._made is None or now - self._made[0] > SURVEY_AGE:
            views = self.views()
            await self._ask_all(views)
            self._made = now, self._judged(views)
        return self._made[1]

    def forget(self, node: NodeId) -> None:
        """Asks the node anew next time: its last word turned out wrong."""
        self._answers.pop(node, None)
        self._made = None

    async def reconsidered(self) -> Candidates:
        """Candidates after asking again whoever did not answer: it may be back by now."""
        for node, (_, answer) in list(self._answers.items()):
            if isinstance(answer, str):
                del self._answers[node]
        self._made = None
        return await self.candidates()

    async def _ask_all(self, views: list[NodeView]) -> None:
        """Asks whoever was not asked lately; waits only for those never asked, and not long."""
        for view in views:
            node = view.record.node
            if self._is_usable(view) and self._is_stale(node) and node not in self._asking:
                task = self.spawn.start(self._ask(view), name=f"status of {node.hex()}")
                self._asking[node] = task
        waiting = {
            self._asking[view.record.node]
            for view in views
            if view.record.node in self._asking and view.record.node not in self._answers
        }
        if not waiting:
            return
        patience = self.spawn.start(self.clock.sleep(PATIENCE), name="patience with nodes")
        while waiting and not patience.done():
            await asyncio.wait({*waiting, patience}, return_when=asyncio.FIRST_COMPLETED)
            waiting = {task for task in waiting if not task.done()}
        patience.cancel()

    def _is_usable(self, view: NodeView) -> bool:
        return view.record.state is NodeState.ONLINE and self.trust.allows(view)

    def _is_stale(self, node: NodeId) -> bool:
        asked = self._answers.get(node)
        return asked is None or self.clock.monotonic() - asked[0] > STATUS_AGE

    async def _ask(self, view: NodeView) -> None:
        node = view.record.node
        answer: NodeStatus | str
        try:
            answer = await self.peers.peer(view.record).status()
        except XdbError as error:
            answer = str(error)
        finally:
            del self._asking[node]
        self._answers[node] = (self.clock.monotonic(), answer)
        self._made = None

    def _judged(self, views: list[NodeView]) -> Candidates:
        nodes: list[Candidate] = []
        objections: list[tuple[NodeId, str]] = []
        for view in views:
            found = self._judge(view)
            if isinstance(found, str):
                objections.append((view.record.node, found))
            else:
                nodes.append(found)
        return Candidates(tuple(nodes), tuple(objections))

    def _judge(self, view: NodeView) -> Candidate | str:
        record = view.record
        if record.state is not NodeState.ONLINE:
            return f"is {record.state.name.lower()}"
        if not self.trust.allows(view):
            return "is not allowed by the trust lists of this owner's configuration"
        _, answer = self._answers.get(record.node, (0.0, "has not answered yet"))
        if isinstance(answer, str):
            return answer
        if not answer.accepts:
            return answer.reason or "does not accept this owner"
        silence = None if self.probed is None else self.probed.silence(record.node)
        if silence is not None and self._is_too_long(silence):
            return f"answered no probe for {silence.latest - silence.first} s"
        is_wrong = self.probed is not None and self.probed.showed_wrong(record.node)
        healthy = self.is_fresh(view) and silence is None and not is_wrong
        return Candidate(record.node, record.operator, record.zone, answer.free, healthy)

    def _is_too_long(self, silence: Silence) -> bool:
        """As long as makes repair begin; an owner that was away has no evidence."""
        limit, now = self.index.parameters.unreachable, self.index.head.time
        return silence.latest - silence.first >= limit and now - silence.latest <= limit
