from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from xdb.core.health import colour, expected_heartbeats, file_colour, score
from xdb.model.health import (
    Colour,
    FileHealth,
    HoldingFacts,
    Reason,
    SlotHealth,
    Tally,
    Trigger,
)
from xdb.model.ids import FileId, NodeId, Tag
from xdb.model.registry import Coding, Parameters, Redundancy

counts = st.integers(0, 500)
tallies = st.builds(Tally, counts, counts, counts)


@settings(deadline=None, max_examples=200)
@given(tallies, counts, counts)
def test_colours_follow_the_exact_fraction(tally, seen, expected):
    proofs = Fraction(tally.proved, tally.total) if tally.total else Fraction(1)
    beats = Fraction(min(seen, expected), expected) if expected else Fraction(1)
    exact = Fraction(7, 10) * proofs + Fraction(3, 10) * beats
    points = score(tally, seen, expected)
    assert points == exact * 1_000_000 // 1
    assert (colour(points) is Colour.GREEN) == (exact >= Fraction(85, 100))
    assert (colour(points) is Colour.RED) == (exact < Fraction(6, 10))


@settings(deadline=None, max_examples=100)
@given(tallies, counts, counts)
def test_good_deeds_never_harm_and_bad_ones_never_help(tally, seen, expected):
    points = score(tally, seen, expected)
    assert score(Tally(tally.proved + 1, tally.failed, tally.missed), seen, expected) >= points
    assert score(tally, seen + 1, expected) >= points
    worse = Tally(tally.proved, tally.failed, tally.missed + 1)
    assert score(worse, seen, expected) <= points


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 10**4), st.integers(0, 10**5), st.integers(0, 10**5), st.integers(0, 10**6))
def test_punctual_nodes_are_never_short_of_heartbeats(pace, registered, begin, length):
    parameters = Parameters(start=0, heartbeat=pace)
    end = begin + length
    sent = sum(begin <= time < end for time in range(registered, end, pace))
    expected = expected_heartbeats(parameters, registered, begin, end)
    assert expected <= sent
    assert registered < end or expected == 0


triggers = st.lists(st.sampled_from(Reason), max_size=2).map(
    lambda reasons: tuple(Trigger(reason, 1, "") for reason in sorted(reasons))
)


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 3), st.lists(triggers, min_size=3, max_size=6), st.integers(0, 5))
def test_curing_a_slot_never_makes_a_file_worse(required, slots, cured):
    redundancy = Redundancy(Coding.ERASURE, required, len(slots))

    def colour_of(found):
        health = [
            SlotHealth(HoldingFacts(n, NodeId(bytes(20)), 1), each)
            for n, each in enumerate(found, 1)
        ]
        return file_colour(
            FileHealth(FileId(bytes(32)), Tag(bytes(32)), redundancy, redundancy, tuple(health))
        )

    at = cured % len(slots)
    assert colour_of([*slots[:at], (), *slots[at + 1 :]]) <= colour_of(slots)
