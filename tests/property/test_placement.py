import math
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from xdb.core.placement import Candidate, place
from xdb.errors import PlacementError
from xdb.model.ids import NodeId

candidates = st.lists(
    st.builds(
        Candidate,
        node=st.integers(0, 40).map(lambda n: NodeId(n.to_bytes(20, "big"))),
        operator=st.sampled_from("abcd"),
        zone=st.sampled_from("xyz"),
        free=st.integers(0, 2**45),
        healthy=st.booleans(),
        allowed=st.sampled_from([True, True, True, False]),
    ),
    max_size=16,
    unique_by=lambda c: c.node,
)
counts = st.integers(1, 6)
pieces = st.sampled_from([0, 1, 2**20, 2**40])
seeds = st.binary(max_size=32)


def attempt(known, count, piece, seed, taken=()):
    try:
        return place(known, count, piece, seed, taken)
    except PlacementError:
        return None


@settings(deadline=None, max_examples=100)
@given(candidates, counts, pieces, seeds, st.randoms(use_true_random=False))
def test_a_placement_is_distinct_usable_and_independent_of_order(known, count, piece, seed, random):
    usable = {c.node for c in known if c.allowed and c.free >= piece}
    chosen = attempt(known, count, piece, seed)
    if len(usable) < count:
        assert chosen is None
        return
    assert chosen is not None
    assert len(set(chosen)) == count
    assert set(chosen) <= usable
    shuffled = random.sample(known, len(known))
    assert place(shuffled, count, piece, seed) == chosen


@settings(deadline=None, max_examples=100)
@given(candidates, counts, pieces, seeds)
def test_what_was_not_chosen_can_go_away(known, count, piece, seed):
    chosen = attempt(known, count, piece, seed)
    if chosen is None:
        return
    for lost in known:
        if lost.node not in chosen:
            left = [c for c in known if c.node != lost.node]
            assert place(left, count, piece, seed) == chosen


@settings(deadline=None, max_examples=100)
@given(candidates, counts, pieces, seeds)
def test_healthy_nodes_come_first_and_operators_are_spread(known, count, piece, seed):
    chosen = attempt(known, count, piece, seed)
    if chosen is None:
        return
    by_node = {c.node: c for c in known}
    usable = [c for c in known if c.allowed and c.free >= piece]
    healthy = [c for c in usable if c.healthy]
    picked = [by_node[node] for node in chosen]
    picked_healthy = [c for c in picked if c.healthy]
    assert len(picked_healthy) == min(count, len(healthy))
    operators = {c.operator for c in healthy}
    assert len({c.operator for c in picked_healthy}) == min(len(picked_healthy), len(operators))


@settings(deadline=None, max_examples=100)
@given(candidates, counts, seeds, st.data())
def test_taken_nodes_are_left_out(known, count, seed, data):
    taken = data.draw(st.sets(st.sampled_from([c.node for c in known]))) if known else set()
    chosen = attempt(known, count, 1, seed, taken)
    assert chosen is None or not set(chosen) & taken


def test_shares_follow_free_capacity():
    weights = [1, 2, 3, 4]
    known = [
        Candidate(NodeId(bytes([n]) * 20), f"op{n}", f"z{n}", weight * 10**9, healthy=True)
        for n, weight in enumerate(weights)
    ]
    rounds = 4000
    tally = Counter(place(known, 1, 1, n.to_bytes(4, "big"))[0] for n in range(rounds))
    for candidate, weight in zip(known, weights, strict=True):
        expected = rounds * weight / sum(weights)
        deviation = math.sqrt(expected * (1 - weight / sum(weights)))
        assert abs(tally[candidate.node] - expected) < 5 * deviation
