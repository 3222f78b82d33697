"""Lives of whole networks of real nodes, one for each seed: `make simulate` runs more of them."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from xdb.model.registry import Coding, Redundancy
from xdb.testing.simulation import shrinking
from xdb.testing.simulation.__main__ import seeds_of
from xdb.testing.simulation.campaign import lived, simulate
from xdb.testing.simulation.life import STATES
from xdb.testing.simulation.oversight import ViolationError
from xdb.testing.simulation.report import Seen, read, summary
from xdb.testing.simulation.settings import PROFILES, LifeConfig, settle
from xdb.testing.simulation.tape import Tape
from xdb.testing.simulation.world import WorldConfig

SEEDS = 100 if os.environ.get("XDB_LONG") else 4
TAPES = Path(__file__).parent / "tapes"
SHORT = LifeConfig(hours=4, operations=8, faults=6)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_file_outlives_what_redundancy_bears(seed):
    outcome = simulate(seed)
    assert outcome.seconds >= LifeConfig().seconds / 2
    assert set(outcome.reached) == set(STATES)
    assert outcome.reached["a file was uploaded"]
    assert sum(outcome.result["faults"].values()) > LifeConfig().faults / 2


@pytest.mark.parametrize("seed", range(SEEDS // 2))
def test_beyond_the_budget_nothing_wrong_is_said_or_returned(seed):
    assert simulate(seed, "beyond").result["faults"]


def test_the_same_seed_is_the_same_life():
    first, second = lived(1, SHORT), lived(1, SHORT)
    assert first == second
    assert lived(2, SHORT).trace != first.trace


def test_the_same_seed_is_the_same_life_in_a_process_with_other_hashes():
    program = (
        "from xdb.testing.simulation.campaign import lived\n"
        "from xdb.testing.simulation.settings import LifeConfig\n"
        "print('\\n' + lived(3, LifeConfig(hours=4, operations=8, faults=6)).trace)"
    )
    traces = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout.splitlines()[-1]
        for seed in ("1", "2")
    }
    assert traces == {lived(3, SHORT).trace}


@pytest.mark.parametrize("personality", ["immediate", "ethereum", "fabric"])
def test_a_life_on_every_chain(personality):
    two_of_three = Redundancy(Coding.ERASURE, 2, 3)
    world = WorldConfig(personality=personality, redundancy=two_of_three)
    config = LifeConfig(hours=6, operations=10, faults=10, world=world)
    assert lived(5, config).reached["a file was uploaded"]


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_a_seed_settles_a_life(profile):
    found = {settle(profile, Tape(seed).stream("settings")) for seed in range(20)}
    assert len(found) > 10
    for life in found:
        assert life.world.nodes > life.world.redundancy.total
        assert life.world.drift * (life.seconds + life.healing * 3600) < 30


@pytest.mark.parametrize(("text", "seeds"), [("3", [0, 1, 2]), ("4-6", [4, 5, 6])])
def test_which_seeds_are_meant(text, seeds):
    assert list(seeds_of(text)) == seeds


def test_a_failing_life_is_made_simpler_and_kept(monkeypatch):
    def simulated(_seed, _profile, tape):
        """Fails when two faults in a row are the same."""
        draws = [tape.stream("fate").draw(1)[0] % 4 for _ in range(12)]
        tape.stream("ids").draw(16)
        if any(one == other == 3 for one, other in itertools.pairwise(draws)):
            raise ViolationError("twice")

    monkeypatch.setattr(shrinking, "simulate", simulated)
    failing = [seed for seed in range(40) if shrinking.shrunk(seed, "brief", tries=1)]
    assert 0 < len(failing) < 40
    kept = shrinking.shrunk(failing[0], "brief")
    assert set(kept.given) == {"fate"}
    assert sum(byte != 0 for byte in kept.given["fate"]) == 2
    assert shrinking.read(kept.json()) == kept
    with pytest.raises(ViolationError):
        kept.run()


@pytest.mark.parametrize("file", sorted(TAPES.glob("*.json")), ids=lambda file: file.stem)
def test_what_once_failed(file):
    shrinking.read(file.read_text()).run()


def seen(seed, **changes):
    return Seen(
        **{
            "seed": seed,
            "trace": "ab" * 32,
            "days": 1.5,
            "nodes": 10,
            "operations": {"read": 2, "upload": 1},
            "faults": {"a bit flipped": 3},
            "files": 1,
            "detected": (0.5, 1.5),
            "repaired": (),
            "reached": dict.fromkeys(STATES, 1),
            "cpu": 30.0,
            **changes,
        }
    )


def test_a_log_can_be_read_again():
    lines = [seen(2).json(), seen(1).json(), seen(2, files=7).json()]
    again = read(lines)
    assert [(each.seed, each.files) for each in again] == [(1, 1), (2, 7)]
    assert again[0].line == (
        "seed 1: ok, 3 operations, 3 faults, 1 files, 1.5 days, 30.0 s, trace abababababababab"
    )


def test_many_lives_are_summed_up():
    reached = {**dict.fromkeys(STATES, 1), STATES[0]: 0}
    failed = seen(2, failure="ViolationError: wrong\nmore", cpu=0.0)
    lines = summary([seen(1, reached=reached), failed])
    assert lines[0] == "2 seeds, 1 failed"
    assert lines[1] == "15 node-days, 30 in a minute of CPU"
    assert lines[2] == "operations: 3 (read 2, upload 1)"
    assert "2 times, median 1.50" in lines[4]
    assert lines[-1] == f"never reached: {STATES[0]}"
    assert failed.line.startswith("seed 2: FAILED: ViolationError")
