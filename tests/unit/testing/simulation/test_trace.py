"""The same seed gives the same trace, in whatever process."""

import os
import subprocess
import sys
from pathlib import Path

from xdb.testing.simulation.trace import Trace

WORLD = Path(__file__).with_name("world.py")


def traced(seed, hash_seed):
    done = subprocess.run(
        [sys.executable, WORLD, str(seed)],
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1]  # before it there are logs


def test_processes_with_other_hashes_give_the_same_trace():
    first, again, other = traced(7, 1), traced(7, 2), traced(8, 1)
    assert len(first.split()) == 2
    assert first.split()[0] == again.split()[0]
    assert first.split()[1] != again.split()[1]  # the hashes of strings did differ
    assert first.split()[0] != other.split()[0]


def test_records_cannot_be_taken_for_each_other():
    traces = [Trace() for _ in range(4)]
    traces[0].record(1.0, "a", "bc")
    traces[1].record(1.0, "ab", "c")
    traces[2].record(1.5, "a", "bc")
    traces[3].turn(1.0, 1, b"")
    assert len({trace.hexdigest() for trace in traces}) == 4


def test_the_last_records_are_kept():
    trace = Trace()
    for number in range(1000):
        trace.record(number, "" if number % 2 else "n1", f"event {number}")
    assert trace.last(2) == ["998.000000 n1 event 998", "999.000000 - event 999"]
    assert len(trace.last(1000)) == 200
