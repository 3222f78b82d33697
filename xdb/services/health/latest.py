"""What the newest look at everything added up to: sums, and the worst of what is not green."""

from collections import defaultdict
from dataclasses import dataclass, field

from xdb.model.health import Colour, Kind, Standing, Subject, Summary
from xdb.model.ids import Tag

WORST = 20
"""Files and nodes that are named; of more there is only the number."""

Ill = tuple[Subject, Standing]


@dataclass(slots=True)
class Worst:
    """The worst of many, the first few of each colour."""

    by_colour: dict[Colour, list[Ill]] = field(default_factory=dict)

    def add(self, subject: Subject, standing: Standing) -> None:
        """One more; green ones do not count."""
        if standing.colour is not Colour.GREEN:
            found = self.by_colour.setdefault(standing.colour, [])
            if len(found) < WORST:
                found.append((subject, standing))

    def first(self) -> tuple[Ill, ...]:
        """The worst first."""
        colours = sorted(self.by_colour, reverse=True)
        return tuple(ill for colour in colours for ill in self.by_colour[colour])[:WORST]


@dataclass(slots=True)
class Latest:
    """One look, at chain time `time`."""

    time: int
    sums: dict[Subject, Standing] = field(default_factory=dict)
    nodes: Summary = field(default_factory=Summary)
    files: Summary = field(default_factory=Summary)
    namespaces: dict[Tag, Summary] = field(default_factory=dict)
    worst_nodes: Worst = field(default_factory=Worst)
    worst_files: Worst = field(default_factory=Worst)
    worst_within: dict[Tag, Worst] = field(default_factory=lambda: defaultdict(Worst))

    def node(self, subject: Subject, standing: Standing) -> None:
        """A node passed by."""
        self.worst_nodes.add(subject, standing)

    def file(self, subject: Subject, namespace: Tag, standing: Standing) -> None:
        """A file passed by."""
        self.worst_files.add(subject, standing)
        if standing.colour is not Colour.GREEN:
            self.worst_within[namespace].add(subject, standing)

    def namespace(self, tag: Tag) -> tuple[Standing, Summary, tuple[Ill, ...]]:
        """A namespace; one without live files was not met, and is green."""
        none = Standing(Colour.GREEN, "files: none", "nothing to do")
        worst = self.worst_within[tag].first() if tag in self.worst_within else ()
        standing = self.sums.get(Subject(Kind.NAMESPACE, tag), none)
        return standing, self.namespaces.get(tag, Summary()), worst
