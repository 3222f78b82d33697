from collections import Counter
from dataclasses import dataclass, field
from enum import IntEnum

import pytest

from xdb.runtime.reports import LONGEST, report_text


class Colour(IntEnum):
    RED = 1


@dataclass(frozen=True)
class Inner:
    found: int = 0
    lost: int = 0


@dataclass(frozen=True)
class Report:
    looked_at: int = 0
    removed: int = 0
    seconds: float = 0.0
    full: bool = False
    digest: bytes = b""
    worst: Colour | None = None
    reason: str = ""
    problems: tuple[str, ...] = ()
    nodes: frozenset[bytes] = frozenset()
    inner: Inner | None = None
    counts: dict[str, int] = field(default_factory=dict)


@pytest.mark.parametrize(
    ("report", "text"),
    [
        (Report(), "nothing to do"),
        (Report(looked_at=3, removed=1), "looked at 3, removed 1"),
        (Report(removed=2), "removed 2"),
        (Report(seconds=0.25), "seconds 0.25"),
        (Report(full=True, removed=1), "removed 1, full"),
        (Report(digest=b"\x01\xff"), "digest 01ff"),
        (Report(worst=Colour.RED), "worst red"),
        (Report(reason="the disk is full"), "reason the disk is full"),
        (Report(problems=("a", "b")), "problems 2 (a; b)"),
        (Report(problems=tuple("abcde")), "problems 5 (a; b; c; 2 more)"),
        (Report(nodes=frozenset({b"\x0a"})), "nodes 1 (0a)"),
        (Report(inner=Inner(found=1)), "inner (found 1)"),
        (Report(counts=Counter(lost=1, good=0)), "counts (lost 1)"),
        ("cycle 3", "cycle 3"),
        ((), "nothing to do"),
        (None, "nothing to do"),
    ],
)
def test_what_a_report_says(report, text):
    assert report_text(report) == text


def test_a_long_report_is_cut():
    text = report_text(Report(reason="x" * 2 * LONGEST))
    assert len(text) == LONGEST
    assert text.endswith("x…")


@dataclass
class Inner:
    green: int = 0


@dataclass
class Outer:
    nodes: Inner
    note: str = ""


def test_what_says_nothing_inside_says_nothing_outside():
    assert report_text(Outer(Inner())) == "nothing to do"
    assert report_text(Outer(Inner(2))) == "nodes (green 2)"


def test_a_note_needs_no_name():
    assert report_text(Outer(Inner(1), "all is proved")) == "nodes (green 1), all is proved"
