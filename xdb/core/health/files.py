"""Colours of files, namespaces and the system."""

from collections import Counter
from collections.abc import Iterable, Mapping

from xdb.model.health import Colour, FileHealth, Summary


def file_colour(health: FileHealth) -> Colour:
    """Green: as many good slots as wanted. Red: at the minimum. Lost: below it. Else yellow.

    What is left on draining nodes counts towards the minimum, not towards what is wanted.
    """
    if health.good >= health.wanted:
        return Colour.GREEN
    if health.spare < 0:
        return Colour.LOST
    return Colour.RED if health.spare == 0 else Colour.YELLOW


def summarize(colours: Iterable[Colour]) -> Summary:
    """Counts them."""
    return counted(Counter(colours))


def counted(counts: Mapping[Colour, int]) -> Summary:
    """Counts, as a summary."""
    return Summary(*(counts.get(colour, 0) for colour in Colour))


def system_colour(nodes: Summary, files: Summary) -> Colour:
    """The colour of the worst file; a node that is not green makes it yellow at least."""
    return max(files.worst, min(nodes.worst, Colour.YELLOW))
