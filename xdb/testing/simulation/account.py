"""What a life owes: which files were acknowledged, and what was done to whom."""

from dataclasses import dataclass, field

from xdb.model.ids import FileId, NodeId

AT_THE_EDGE = 600
"""Seconds around a file's expiry in which it may be there or not."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A file as its owner knows it; `expiry` is chain time."""

    data: bytes
    expiry: int


@dataclass(slots=True)
class Trouble:
    """A time in which a node may miss what it should do; `end` is None until it is over."""

    node: NodeId
    start: float
    end: float | None = None


@dataclass
class Account:
    """All of it. Times are seconds of the run."""

    files: dict[FileId, Kept] = field(default_factory=dict)  # acknowledged, and to be there
    ended: dict[FileId, Kept] = field(default_factory=dict)  # deleted or expired
    doubtful: dict[FileId, Kept] = field(default_factory=dict)  # there or not: nobody was told
    unsure: int = 0  # uploads of which nobody was told what became of them
    harmed: dict[NodeId, None] = field(default_factory=dict)  # lost something by fate
    troubles: list[Trouble] = field(default_factory=list)
    coming: dict[int, float] = field(default_factory=dict)  # operations under way that add files
    costly: float = -1.0  # when something was lost last
    _numbers: int = 0

    def begin(self, now: float) -> int:
        """A file is about to be added."""
        self._numbers += 1
        self.coming[self._numbers] = now
        return self._numbers

    def may_lose(self) -> bool:
        """Whether nothing is under way that already counted on what is lost by now."""
        return all(start > self.costly for start in self.coming.values())

    def acknowledged(self, file: FileId, kept: Kept) -> None:
        """From now on it is to be there."""
        self.files[file] = kept
        self.ended.pop(file, None)
        self.doubtful.pop(file, None)

    def expire(self, now: int) -> None:
        """What expires about now is owed no more."""
        for file, kept in list(self.files.items()):
            if kept.expiry - AT_THE_EDGE <= now:
                self.ended[file] = self.files.pop(file)

    def trouble(self, node: NodeId, now: float) -> Trouble:
        """A node gets into trouble; the caller sets its end."""
        made = Trouble(node, now)
        self.troubles.append(made)
        return made

    def was_in_trouble(self, node: NodeId, first: float, last: float) -> bool:
        """Whether a node had any between two times."""
        return any(
            trouble.node == node
            and trouble.start <= last
            and (trouble.end is None or trouble.end >= first)
            for trouble in self.troubles
        )
