from datetime import UTC, datetime, timedelta

import pytest

from xdb.cli import words
from xdb.model.registry import Coding, Redundancy

NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1048524, "1023.9 KiB"),
        (1048575, "1.0 MiB"),
        (28416409, "27.1 MiB"),
        (1 << 70, "1024.0 EiB"),
    ],
)
def test_sizes(count, text):
    assert words.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "now"),
        (-1, "now"),
        (5, "in 5 s"),
        (-90, "90 s ago"),
        (300, "in 5 min"),
        (-7200, "2 h ago"),
        (86400, "in 24 h"),
        (2 * 86400, "in 2 days"),
        (365 * 86400 - 3, "in 365 days"),
        (-3 * 365 * 86400, "3 years ago"),
    ],
)
def test_relative_times(seconds, text):
    assert words.relative(NOW + timedelta(seconds=seconds), NOW.timestamp()) == text


def test_times():
    assert words.moment(NOW) == "2027-01-31 12:00:00 UTC"
    assert words.day(NOW) == "2027-01-31"
    assert words.spelled(NOW, NOW.timestamp() - 60) == "2027-01-31 12:00:00 UTC, in 60 s"
    assert words.moment(None) == words.day(None) == words.relative(None, 0) == "-"
    assert words.duration(1.44) == "1.4 s"
    assert words.duration(600) == "10 min"


def test_amounts():
    assert words.numbers([5, 0, 1, 2, 7, 6]) == "0-2, 5-7"
    assert words.numbers([3]) == "3"
    assert words.since(NOW, NOW.timestamp() + 5) == "5 s"
    assert words.since(None, 0) == "-"
    assert words.plural(1, "node") == "1 node"
    assert words.plural(1000, "node") == "1,000 nodes"
    assert words.exact_size(1) == "1 byte"
    assert words.exact_size(2048) == "2.0 KiB (2,048 bytes)"
    assert words.speed(1 << 20, 2) == "512.0 KiB/s"
    assert words.speed(5, 0) == "-"
    assert words.policy(Redundancy(Coding.COPIES, 1, 1)) == "1 copy"
    assert words.policy(Redundancy(Coding.ERASURE, 4, 6)) == "4+2 erasure"


def test_text_for_a_terminal():
    assert words.printable("a\x1b[1m\n\u202eb") == "a\ufffd[1m\ufffd\ufffdb"
    assert words.width("日本e\u0301") == 5
    assert words.shortened("short", 5) == "short"
    assert words.shortened("a long one", 7) == "a l…one"
    assert words.shortened("日本日本日本", 7) == "日…日本"
    for text in ("a/long/path/to/a/file", "日本日本日本"):
        for columns in range(1, 12):
            assert words.width(words.shortened(text, columns)) <= columns


def test_long_text_is_broken_at_blanks():
    assert words.wrapped("error: what: next", 10, 7, 0) == "error:\n       what:\n       next"
    assert words.wrapped("a `long-command` b", 8, 2) == "  a\n  `long-command`\n  b"
    assert words.wrapped("as it is " * 50, None, 2) == "  " + "as it is " * 50
