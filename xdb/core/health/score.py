"""A node's score: how many of its epochs it proved, how many of its heartbeats were seen.

::

    h = 0.7 * proved / (proved + failed + missed) + 0.3 * heartbeats / expected

over the health window; a term without expected events counts 1. Scores are millionths,
rounded down. The borders are whole millionths, so a score is at or above a border exactly
when the fraction is.
"""

from collections import Counter
from collections.abc import Iterable

from xdb.model.health import Colour, EpochVerdict, NodeFacts, NodeHealth, Tally, Verdict
from xdb.model.registry import Parameters

UNIT = 1_000_000
GREEN_FROM = 850_000
YELLOW_FROM = 600_000
_PROOFS, _HEARTBEATS = 7, 3  # weights, in tenths


def score(counts: Tally, seen: int, expected: int) -> int:
    """The score in millionths. Heartbeats beyond the expected ones earn nothing."""
    proved, epochs = (counts.proved, counts.total) if counts.total else (1, 1)
    beats, due = (min(seen, expected), expected) if expected else (1, 1)
    tenths = _PROOFS * proved * due + _HEARTBEATS * beats * epochs
    return UNIT * tenths // (10 * epochs * due)


def colour(points: int) -> Colour:
    """A node's colour by its score; a node is never lost."""
    if points >= GREEN_FROM:
        return Colour.GREEN
    return Colour.YELLOW if points >= YELLOW_FROM else Colour.RED


def show(points: int) -> str:
    """A score for people, rounded down: what looks like a border has reached it."""
    return f"{points // UNIT}.{points % UNIT // 10_000:02d}"


def window_start(parameters: Parameters, now: int) -> int:
    """Chain time at which the health window begins: whole epochs, and the present one."""
    first = parameters.epoch_at(now) - parameters.health_window
    return parameters.start_of(max(0, first))


def expected_heartbeats(parameters: Parameters, registered: int, begin: int, end: int) -> int:
    """Heartbeats that must have been seen in [begin, end) from a node registered then.

    One less than there were intervals: the newest may be on its way.
    """
    return max(0, possible_heartbeats(parameters, registered, begin, end) - 1)


def possible_heartbeats(parameters: Parameters, registered: int, begin: int, end: int) -> int:
    """Heartbeats in [begin, end) of a node that never misses one."""
    if not parameters.heartbeat:  # a chain without heartbeats
        return 0
    return max(0, end - max(begin, registered)) // parameters.heartbeat


def tally(verdicts: Iterable[EpochVerdict], first: int) -> Tally:
    """Counts the verdicts from epoch `first` on; void epochs say nothing."""
    counts = Counter(each.verdict for each in verdicts if each.epoch >= first)
    return Tally(counts[Verdict.PROVED], counts[Verdict.FAILED], counts[Verdict.MISSED])


def assess(parameters: Parameters, facts: NodeFacts, now: int) -> NodeHealth:
    """A node's health at chain time `now`."""
    begin = window_start(parameters, now)
    counts = tally(facts.verdicts, parameters.epoch_at(begin))
    expected = expected_heartbeats(parameters, facts.registered, begin, now)
    seen = min(facts.heartbeats, expected)
    points = score(counts, seen, expected)
    return NodeHealth(facts.node, points, colour(points), counts, seen, expected)
