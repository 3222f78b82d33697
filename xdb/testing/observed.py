"""What an owner's probes showed, as a test says."""

from dataclasses import dataclass, field

from xdb.model.health import Silence
from xdb.model.ids import FileId, NodeId


@dataclass(frozen=True)
class Spoilt:
    """Damage of a slot."""

    since: int
    pieces: tuple[int, ...] = ()
    manifest: bool = False
    node: NodeId | None = None


@dataclass
class Observed:
    """Silences, damages and answers to be set by hand."""

    silences: dict[NodeId, Silence] = field(default_factory=dict)
    damages: dict[tuple[FileId, int], Spoilt] = field(default_factory=dict)
    answered: dict[NodeId, bool] = field(default_factory=dict)

    def silence(self, node: NodeId) -> Silence | None:
        """See `Observations`."""
        return self.silences.get(node)

    def damage(self, file: FileId, slot: int) -> Spoilt | None:
        """See `Observations`."""
        return self.damages.get((file, slot))

    def is_reachable(self, node: NodeId) -> bool | None:
        """See `Observations`."""
        return self.answered.get(node)

    async def restored(self, file: FileId, slot: int) -> None:
        """See `Observations`."""
        self.damages.pop((file, slot), None)
