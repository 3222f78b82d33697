"""Every strategy of dishonest nodes and owners, a few times."""

import os
from dataclasses import replace

import pytest

from xdb.testing.simulation.byzantine import bounds
from xdb.testing.simulation.byzantine.__main__ import attempt
from xdb.testing.simulation.byzantine.strategies import STRATEGIES
from xdb.testing.simulation.byzantine.strategy import HARMLESS, Kind, Means, Outcome, caught
from xdb.testing.simulation.oversight import ViolationError
from xdb.testing.simulation.twist import HONEST

SEEDS = 100 if os.environ.get("XDB_LONG") else 2


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("name", STRATEGIES)
def test_what_must_come_of_a_strategy_comes_of_it(name, seed):
    result = attempt(name, seed).result
    expected = STRATEGIES[name].expected
    assert result.deeds[STRATEGIES[name].deed] > 0
    assert result.reads["exact"] > 0
    if expected.outcome is Outcome.CAUGHT:
        assert 0 <= result.epochs <= expected.within
        assert result.repaired is not None
    else:
        assert (result.epochs, result.by) == (None, ())


def test_the_same_seed_is_the_same_trial():
    first, second = attempt("drops-a-tenth", 1), attempt("drops-a-tenth", 1)
    assert first == second
    assert attempt("drops-a-tenth", 2).trace != first.trace


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        (caught(1, Means.MISSED), "not caught within 1 epochs"),
        (HARMLESS, "nobody cheated"),
    ],
)
def test_a_trial_of_an_honest_node_shows_nothing(monkeypatch, expected, message):
    honest = replace(
        STRATEGIES["lies-in-proofs"], expected=expected, corrupt=lambda _plot, _node: HONEST
    )
    monkeypatch.setitem(STRATEGIES, "lies-in-proofs", honest)
    with pytest.raises(ViolationError, match=message):
        attempt("lies-in-proofs", 0)


def test_a_cheat_that_is_said_to_be_harmless_is_a_violation(monkeypatch):
    lying = replace(STRATEGIES["lies-in-proofs"], expected=HARMLESS)
    monkeypatch.setitem(STRATEGIES, "lies-in-proofs", lying)
    with pytest.raises(ViolationError, match="blamed for what it did not do"):
        attempt("lies-in-proofs", 0)


def test_bounds_follow_from_the_formula():
    assert bounds.escapes(0.01, 64) == pytest.approx(0.5256, abs=1e-4)
    assert bounds.epochs(1.0, 16) == bounds.CERTAIN
    for part in (0.05, 0.1, 0.4):
        asked = bounds.epochs(part, 16) - bounds.CERTAIN + 1
        assert bounds.escapes(part, 16) ** asked <= bounds.DOUBT
        assert bounds.escapes(part, 16) ** (asked - 1) > bounds.DOUBT


def test_bounds_are_those_that_are_published():
    within = {name: strategy.expected.within for name, strategy in STRATEGIES.items()}
    assert within["drops-a-tenth"] == 14
    assert within["drops-all-but-one"] == 4
    assert within["lies-in-proofs"] == 2


def test_there_are_enough_of_each_kind():
    kinds = [strategy.kind for strategy in STRATEGIES.values()]
    assert kinds.count(Kind.NODE) >= 12
    assert kinds.count(Kind.OWNER) >= 6
