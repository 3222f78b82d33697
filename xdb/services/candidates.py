"""Which nodes an owner may use now, and how much they would take."""

import asyncio
from dataclasses import dataclass, field

from xdb.core.placement import Candidate
from xdb.errors import XdbError
from xdb.index.index import Index
from xdb.index.views import NodeView
from xdb.model.ids import NodeId
from xdb.model.registry import NodeState
from xdb.model.storage import NodeStatus
from xdb.ports.clock import Clock
from xdb.ports.peer import StoragePeers

FRESH_HEARTBEATS = 3
"""Heartbeats that may be missing before a node counts as unhealthy."""
STATUS_AGE = 10.0
"""Seconds for which a node's word about its room is good."""
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


@dataclass(slots=True)
class NodeSurvey:
    """Asks the index and the nodes themselves; remembers answers for some seconds."""

    index: Index
    peers: StoragePeers
    clock: Clock
    trust: TrustConfig = TrustConfig()
    _answers: dict[NodeId, tuple[float, NodeStatus | str]] = field(default_factory=dict)
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    def views(self) -> list[NodeView]:
        """All nodes that have not left."""
        found: list[NodeView] = []
        after = b""
        while page := self.index.nodes(after=after, limit=_PAGE):
            found += page
            after = page[-1].record.node
        return [view for view in found if view.record.state is not NodeState.LEFT]

    def is_fresh(self, view: NodeView) -> bool:
        """Whether the node was heard of lately."""
        heard = max(view.last_heartbeat, view.record.registered)
        silence = self.index.head.time - heard
        return silence <= FRESH_HEARTBEATS * self.index.parameters.heartbeat

    async def candidates(self) -> Candidates:
        """All nodes, as candidates or with an objection."""
        views = self.views()
        async with self._asking:  # one survey serves all uploads that wait for it
            stale = [view for view in views if self._usable(view) and self._is_stale(view)]
            await asyncio.gather(*(self._ask(view) for view in stale))
        nodes: list[Candidate] = []
        objections: list[tuple[NodeId, str]] = []
        for view in views:
            found = self._judge(view)
            if isinstance(found, str):
                objections.append((view.record.node, found))
            else:
                nodes.append(found)
        return Candidates(tuple(nodes), tuple(objections))

    def forget(self, node: NodeId) -> None:
        """Asks the node anew next time: its last word turned out wrong."""
        self._answers.pop(node, None)

    def _usable(self, view: NodeView) -> bool:
        return view.record.state is NodeState.ONLINE and self.trust.allows(view)

    def _is_stale(self, view: NodeView) -> bool:
        asked = self._answers.get(view.record.node)
        return asked is None or self.clock.monotonic() - asked[0] > STATUS_AGE

    async def _ask(self, view: NodeView) -> None:
        answer: NodeStatus | str
        try:
            answer = await self.peers.peer(view.record).status()
        except XdbError as error:
            answer = str(error)
        self._answers[view.record.node] = (self.clock.monotonic(), answer)

    def _judge(self, view: NodeView) -> Candidate | str:
        record = view.record
        if record.state is not NodeState.ONLINE:
            return f"is {record.state.name.lower()}"
        if not self.trust.allows(view):
            return "is not allowed by the trust lists of this owner's configuration"
        _, answer = self._answers.get(record.node, (0.0, "was not asked"))
        if isinstance(answer, str):
            return answer
        if not answer.accepts:
            return answer.reason or "does not accept this owner"
        return Candidate(
            record.node, record.operator, record.zone, answer.free, self.is_fresh(view)
        )
