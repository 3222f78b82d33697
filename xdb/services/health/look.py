"""One look at nodes and files: the facts are gathered here, what follows is decided in `core`."""

from dataclasses import dataclass, field
from typing import Protocol

from xdb.core.health import assess, file_colour, node_triggers, slot_health, window_start
from xdb.index.index import Index
from xdb.index.views import FileView, NodeView
from xdb.model.health import (
    Colour,
    FileHealth,
    HoldingFacts,
    NodeFacts,
    NodeHealth,
    Silence,
    SlotHealth,
    Trigger,
)
from xdb.model.ids import Address, FileId, NodeId, Tag
from xdb.model.registry import Redundancy

FEWEST_EPOCHS = 8
"""Epochs back that verdicts are read for triggers, however short the health window is."""
FURTHEST = 7200
"""Seconds back that they are read, however short epochs are: a row of misses has to be seen
for longer than the grace of any repair."""


class Damaged(Protocol):
    """Damage that a probe found, or its node lists."""

    @property
    def since(self) -> int:
        """Chain time at which it was first seen."""
        ...

    @property
    def node(self) -> NodeId | None:
        """Whose damage it is; None for whoever holds the slot."""
        ...


class Observed(Protocol):
    """What the owner's probes showed."""

    def silence(self, node: NodeId) -> Silence | None:
        """Probes without an answer since the last answer."""
        ...

    def damage(self, file: FileId, slot: int) -> Damaged | None:
        """Damage of a slot."""
        ...


@dataclass(frozen=True, slots=True)
class NodeCondition:
    """A node: what the chain says of it, its health, and what speaks against its holdings."""

    view: NodeView
    health: NodeHealth
    triggers: tuple[Trigger, ...]


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """From where one looks: the chain, and what probes showed."""

    index: Index
    observed: Observed

    def look(self) -> "Look":
        """A look at everything as it is now; one for each request, for it remembers."""
        return Look(self.index, self.observed, self.index.head.time)


@dataclass(slots=True)
class Look:
    """Everything as it is at one time. Nodes are assessed once."""

    index: Index
    observed: Observed
    now: int
    _nodes: dict[NodeId, NodeCondition | None] = field(default_factory=dict)
    _policies: dict[tuple[Address, Tag], Redundancy | None] = field(default_factory=dict)

    def node(self, node: NodeId) -> NodeCondition | None:
        """A node that is or was registered."""
        if node not in self._nodes:
            view = self.index.node(node)
            self._nodes[node] = None if view is None else self._condition(view)
        return self._nodes[node]

    def file(self, view: FileView) -> FileHealth:
        """A file with everything that is wrong with its slots."""
        record = view.record
        return FileHealth(
            file=record.file,
            namespace=record.namespace,
            redundancy=record.redundancy,
            policy=self._policy(record.owner, record.namespace) or record.redundancy,
            slots=tuple(self._slot(view, slot) for slot in range(1, len(record.holders) + 1)),
        )

    def colour(self, view: FileView) -> Colour:
        """A file's colour."""
        return file_colour(self.file(view))

    def _condition(self, view: NodeView) -> NodeCondition:
        parameters, node = self.index.parameters, view.record.node
        first = parameters.epoch_at(window_start(parameters, self.now))
        last = parameters.epoch_at(self.now)
        facts = NodeFacts(
            node=node,
            state=view.record.state,
            state_since=view.state_since,
            registered=view.record.registered,
            last_heartbeat=view.last_heartbeat,
            heartbeats=self.index.audits.heartbeats(node, first, last),
            verdicts=self.index.audits.verdicts(node, min(first, self._asked_since(last))),
            silence=self.observed.silence(node),
        )
        return NodeCondition(
            view, assess(parameters, facts, self.now), node_triggers(parameters, facts, self.now)
        )

    def _asked_since(self, last: int) -> int:
        """The first epoch whose verdict may count for a trigger."""
        return min(
            max(0, last - FEWEST_EPOCHS), self.index.parameters.epoch_at(self.now - FURTHEST)
        )

    def _slot(self, view: FileView, slot: int) -> SlotHealth:
        record, node = view.record, view.record.holders[slot - 1]
        damage = self.observed.damage(record.file, slot)
        if damage is not None and damage.node not in {None, node}:
            damage = None  # another owner node has moved the slot since that was seen
        since = view.since[slot - 1]
        facts = HoldingFacts(
            slot=slot,
            node=node,
            size=view.holdings[slot - 1].size,
            lost=next((loss.time for loss in view.losses if loss.slot == slot), 0),
            damaged=0 if damage is None else max(damage.since, 1),
            moved=since if since != record.published else 0,
        )
        condition = self.node(node)
        return slot_health(facts, () if condition is None else condition.triggers)

    def _policy(self, owner: Address, namespace: Tag) -> Redundancy | None:
        key = owner, namespace
        if key not in self._policies:
            found = self.index.namespace_record(owner, namespace)
            self._policies[key] = None if found is None else found.redundancy
        return self._policies[key]
