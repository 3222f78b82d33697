"""Snapshots of all colours, and what changed between two."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from xdb.core.health.files import counted, file_colour, system_colour
from xdb.core.health.score import show
from xdb.model.health import (
    Change,
    Colour,
    FileHealth,
    Kind,
    NodeHealth,
    Snapshot,
    Standing,
    Subject,
    Summary,
)
from xdb.model.ids import Tag

_FINE = "nothing to do"
_SHOWN = 3  # slots or nodes that a sentence names


def snapshot(nodes: Iterable[NodeHealth], files: Iterable[FileHealth]) -> Snapshot:
    """Colours of nodes that have not left, of live files, of their namespaces and of all."""
    found: dict[Subject, Standing] = {}
    survey = Survey()
    for node in nodes:
        found[Subject(Kind.NODE, node.node)] = survey.node(node)
    for file in files:
        found[Subject(Kind.FILE, file.file)] = survey.file(file)
    return found | survey.sums()


class Survey:
    """Standings of nodes and files one by one, and in the end of what they add up to.

    It remembers counts only, so that any number of files can pass by.
    """

    def __init__(self) -> None:
        self.nodes: Counter[Colour] = Counter()
        self.files: Counter[Colour] = Counter()
        self.namespaces = defaultdict[Tag, Counter[Colour]](Counter)

    def node(self, health: NodeHealth) -> Standing:
        """A node's standing."""
        standing = _node(health)
        self.nodes[standing.colour] += 1
        return standing

    def file(self, health: FileHealth) -> Standing:
        """A file's standing."""
        standing = _file(health)
        self.files[standing.colour] += 1
        self.namespaces[health.namespace][standing.colour] += 1
        return standing

    def sums(self) -> dict[Subject, Standing]:
        """Standings of namespaces and of the system, from what has passed by."""
        found = {
            Subject(Kind.NAMESPACE, namespace): _namespace(counted(colours))
            for namespace, colours in self.namespaces.items()
        }
        found[Subject(Kind.SYSTEM)] = _system(counted(self.nodes), counted(self.files))
        return found


def changes(before: Mapping[Subject, Colour], after: Snapshot, now: int) -> tuple[Change, ...]:
    """Changes of colour in order of subject. What is new was green; what is gone has none."""
    return tuple(
        Change(now, subject, old, standing.colour, standing.cause, standing.remedy)
        for subject, standing in sorted(after.items())
        if (old := before.get(subject, Colour.GREEN)) is not standing.colour
    )


def _node(health: NodeHealth) -> Standing:
    counts = health.tally
    cause = (
        f"node {health.node.hex()} has health {show(health.score)}: of {counts.total} epochs "
        f"{counts.proved} proved, {counts.failed} with a loss, {counts.missed} missed; "
        f"{health.heartbeats} of {health.expected} heartbeats"
    )
    if health.colour is Colour.GREEN:
        return Standing(health.colour, cause, _FINE)
    if counts.failed > counts.missed:
        remedy = "look at its disk: what it lost is made again, there or on other nodes"
    elif counts.missed:
        remedy = "see that it runs, reaches the chain and has time to prove within an epoch"
    else:
        remedy = "see that it runs and reaches the chain"
    return Standing(health.colour, cause, remedy)


def _file(health: FileHealth) -> Standing:
    colour = file_colour(health)
    cause = f"{health.good} of {health.wanted} slots of file {health.file.hex()} are good"
    if colour is Colour.GREEN:
        return Standing(colour, cause, _FINE)
    bad = [
        f"slot {slot.holding.slot}: {slot.triggers[0].sentence}"
        for slot in health.slots
        if slot.triggers
    ]
    if health.wanted > len(health.slots):
        bad.append(f"it has {len(health.slots)} slots, its policy asks for {health.wanted}")
    return Standing(colour, f"{cause}; {_some(bad)}", _remedy(health, colour))


def _remedy(health: FileHealth, colour: Colour) -> str:
    if colour is not Colour.LOST:
        return "see what repair plans to do; it needs healthy nodes with room"
    # What a node has not given up may come back with it.
    waiting = sorted(
        {
            slot.holding.node.hex()
            for slot in health.slots
            if not slot.is_readable and not any(t.reason.is_final for t in slot.triggers)
        }
    )
    if waiting:
        return (
            f"{health.redundancy.required} slots are needed to read it: bring back "
            f"{_some([f'node {node}' for node in waiting])}; "
            "if that cannot be done, upload the file again"
        )
    return "too many of its holders have given it up or left: upload the file again"


def _namespace(files: Summary) -> Standing:
    remedy = _FINE if files.worst is Colour.GREEN else "look at the files that are not green"
    return Standing(files.worst, f"files: {_counts(files)}", remedy)


def _system(nodes: Summary, files: Summary) -> Standing:
    colour = system_colour(nodes, files)
    remedy = "look at the files and nodes that are not green"
    return Standing(
        colour,
        f"files: {_counts(files)}; nodes: {_counts(nodes)}",
        _FINE if colour is Colour.GREEN else remedy,
    )


def _counts(summary: Summary) -> str:
    counts = {
        "green": summary.green,
        "yellow": summary.yellow,
        "red": summary.red,
        "lost": summary.lost,
    }
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none"


def _some(parts: list[str]) -> str:
    more = len(parts) - _SHOWN
    return "; ".join(parts[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
