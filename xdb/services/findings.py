"""What one probe of a storage node came to."""

from dataclasses import dataclass, field

from xdb.model.ids import FileId, NodeId
from xdb.model.storage import ReplicaKey

Place = tuple[FileId, int]


@dataclass(slots=True)
class Seen:
    """What a probe saw of one slot; see `SlotDamage`."""

    since: int
    pieces: set[int] = field(default_factory=set)
    manifest: bool = False
    shown: bool = False


@dataclass(slots=True)
class Finding:
    """What came of one probe. `text` says what went wrong.

    `right` and `wrong` are leaves; `damages` is what is damaged of this owner's slots there,
    `sound` are pieces that showed a right leaf, `refused` slots that it holds and does not show.
    """

    node: NodeId
    answered: bool = False  # anything at all, be it a refusal
    text: str = ""
    right: int = 0
    wrong: int = 0
    complete: bool = False  # the node listed all its damage
    damages: dict[Place, Seen] = field(default_factory=dict)
    sound: set[ReplicaKey] = field(default_factory=set)
    refused: dict[Place, int] = field(default_factory=dict)  # since when
    problems: list[str] = field(default_factory=list)  # of this owner node, not of the other

    def of(self, place: Place, since: int) -> Seen:
        """What is seen of a slot that is damaged since then, or longer."""
        seen = self.damages.setdefault(place, Seen(since))
        seen.since = min(seen.since, since)
        return seen

    def hold_refusals_against(self) -> None:
        """What a node does not give its owner is as good as gone.

        Only when others gave what they were asked for: else it is the asker who is refused.
        """
        for place, since in self.refused.items():
            seen = self.of(place, since)
            seen.shown = seen.manifest = True
