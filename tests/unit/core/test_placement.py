import pytest

from xdb.core.placement import Candidate, place
from xdb.errors import PlacementError
from xdb.model.ids import NodeId


def test_zones_are_spread_within_what_operators_leave():
    known = [
        Candidate(NodeId(bytes([n]) * 20), operator, zone, 10**9, healthy=True)
        for n, (operator, zone) in enumerate([("a", "x"), ("b", "x"), ("b", "y")])
    ]
    for seed in range(20):
        # whichever operator comes first, the second choice is in another zone
        chosen = place(known, 2, 1, bytes([seed]), taken=[known[0].node])
        assert set(chosen) == {known[1].node, known[2].node}
        assert chosen[0] == known[2].node


def test_a_shortage_says_how_many_and_why():
    known = [
        Candidate(NodeId(b"a" * 20), "", "", 10**6, healthy=True),
        Candidate(NodeId(b"b" * 20), "", "", 5, healthy=True),
        Candidate(NodeId(b"c" * 20), "", "", 10**6, healthy=True, allowed=False),
        Candidate(NodeId(b"d" * 20), "", "", 10**6, healthy=True),
    ]
    with pytest.raises(PlacementError) as caught:
        place(known, 3, 100, b"", taken=[NodeId(b"d" * 20)])
    text = str(caught.value)
    assert text.startswith("3 storage nodes are needed, 1 of 4 known are usable")
    assert "1 denied by the trust policy" in text
    assert "1 with less than 100 bytes free" in text
    assert "1 holding a slot of the file already" in text
    assert "choose a lower redundancy" in text


def test_unhealthy_nodes_fill_up_what_is_missing():
    known = [Candidate(NodeId(bytes([n]) * 20), "op", "z", 100, healthy=n == 0) for n in range(3)]
    chosen = place(known, 2, 100, b"seed")
    assert chosen[0] == known[0].node
    assert len(chosen) == 2


def test_the_choice_for_a_seed_never_changes():
    known = [
        Candidate(NodeId(bytes([n]) * 20), f"op{n % 3}", f"z{n % 2}", (n + 1) * 2**30, healthy=True)
        for n in range(8)
    ]
    chosen = place(known, 3, 2**20, b"golden")
    assert [node[0] for node in chosen] == GOLDEN


GOLDEN = [6, 5, 1]
