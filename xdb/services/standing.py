"""How holders did lately: whom to ask first."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from xdb.model.ids import NodeId
from xdb.model.registry import NodeRecord, NodeState
from xdb.ports.clock import Clock

GRUDGE = 30.0
"""Seconds for which a failure is remembered."""
_ASKED = (NodeState.ONLINE, NodeState.DRAINING)

Holder = tuple[int, NodeRecord]
"""A slot, and the node that has it."""


@dataclass(slots=True)
class Standing:
    """Failures and load of nodes over all downloads."""

    clock: Clock
    _failed: dict[NodeId, float] = field(default_factory=dict)
    _busy: Counter[NodeId] = field(default_factory=Counter)

    def order(self, holders: Iterable[Holder], turn: int) -> list[Holder]:
        """Those that are there and did not fail first, then the least busy, then in turn."""
        found = list(holders)

        def rank(holder: Holder) -> tuple[bool, bool, int, int]:
            slot, record = holder
            return (
                record.state not in _ASKED,
                self.failed(record.node),
                self._busy[record.node],
                (slot + turn) % len(found),
            )

        return sorted(found, key=rank)

    def failed(self, node: NodeId) -> bool:
        """Whether a node failed lately."""
        at = self._failed.get(node)
        return at is not None and self.clock.monotonic() - at < GRUDGE

    def note_failure(self, node: NodeId) -> None:
        """A node did not answer in time, or with something else."""
        self._failed[node] = self.clock.monotonic()

    @contextmanager
    def asking(self, node: NodeId) -> Iterator[None]:
        """While a node is asked for something."""
        self._busy[node] += 1
        try:
            yield
        finally:
            self._busy[node] -= 1
            if not self._busy[node]:
                del self._busy[node]
