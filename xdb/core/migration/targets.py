"""Where a slot goes: placement among the nodes that may take it, with the room still left."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from xdb.core.migration.model import PlanNode
from xdb.core.placement import Candidate, place
from xdb.errors import PlacementError
from xdb.model.ids import FileId, NodeId
from xdb.model.registry import NodeState


@dataclass(frozen=True, slots=True)
class Vacancy:
    """A slot that needs a node. `taken` are the nodes of the file's other slots."""

    file: FileId
    version: int
    slot: int
    size: int
    taken: Collection[NodeId]
    barred: Collection[NodeId] = ()  # nodes that it must get away from
    only_healthy: bool = False  # better where it is than on another doubtful node

    @property
    def seed(self) -> bytes:
        """Whoever fills the same slot of the same record draws alike."""
        return self.file + self.slot.to_bytes(8, "big") + self.version.to_bytes(8, "big")


class Targets:
    """All nodes, and the room that a plan has not yet given away."""

    def __init__(self, nodes: Iterable[PlanNode]) -> None:
        self._nodes = {node.candidate.node: node for node in nodes}
        self._room = {name: node.candidate.free for name, node in self._nodes.items()}

    def choose(self, vacancy: Vacancy) -> NodeId:
        """Fills the vacancy and uses up the room. PlacementError says why nobody can."""
        known: list[Candidate] = []
        unfit = 0
        for name, node in self._nodes.items():
            if name in vacancy.taken:
                known.append(node.candidate)  # for its operator and zone
            elif self._is_fit(node, vacancy):
                known.append(self._offer(node, vacancy.size))
            else:
                unfit += 1
        try:
            (chosen,) = place(known, 1, vacancy.size, vacancy.seed, vacancy.taken)
        except PlacementError as error:
            others = f"; {unfit} more cannot take it now" if unfit else ""
            raise PlacementError(f"{error}{others}") from error
        self._room[chosen] -= vacancy.size
        return chosen

    def _is_fit(self, node: PlanNode, vacancy: Vacancy) -> bool:
        if node.state is not NodeState.ONLINE or not node.is_reachable or node.triggers:
            return False
        if vacancy.only_healthy and not _is_healthy(node):
            return False
        return node.candidate.node not in vacancy.barred

    def _offer(self, node: PlanNode, size: int) -> Candidate:
        # The reported room stays the weight, so that earlier steps of the plan change no draw.
        has_room = self._room[node.candidate.node] >= size
        free = node.candidate.free if has_room else 0
        return replace(node.candidate, free=free, healthy=_is_healthy(node))


def _is_healthy(node: PlanNode) -> bool:
    return node.candidate.healthy and not node.red_since
