from datetime import UTC, datetime, timedelta, timezone

import pytest

from xdb.cli.parsing import Span, parse_erasure, parse_expiry, parse_moment, parse_range
from xdb.model.registry import Coding, Redundancy


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30d", timedelta(days=30)),
        ("12 w", timedelta(weeks=12)),
        ("1y", timedelta(days=365)),
        ("90s", timedelta(seconds=90)),
        ("2027-01-31", datetime(2027, 1, 31, tzinfo=UTC)),
        ("2027-01-31T12:00Z", datetime(2027, 1, 31, 12, tzinfo=UTC)),
        ("2027-01-31T12:00+02:00", datetime(2027, 1, 31, 10, tzinfo=UTC)),
        ("2027-01-31 12:00", datetime(2027, 1, 31, 12, tzinfo=UTC)),
    ],
)
def test_expiries(text, expected):
    assert parse_expiry(text) == parse_moment(text) == expected
    if isinstance(expected, datetime):
        assert parse_expiry(text).tzinfo is not timezone(timedelta(hours=2))


@pytest.mark.parametrize("text", ["", "5", "soon", "-1d", "2027-13-01", "1yy", "1.5.2d"])
def test_what_is_no_expiry(text):
    with pytest.raises(ValueError, match="30d"):
        parse_expiry(text)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("0-99", Span(0, 100)),
        ("5-5", Span(5, 1)),
        ("4096-", Span(4096, None)),
        ("1MiB+64KiB", Span(1 << 20, 64 << 10)),
        ("3+0", Span(3, 0)),
    ],
)
def test_ranges(text, span):
    assert parse_range(text) == span


@pytest.mark.parametrize("text", ["", "5", "-", "-5", "+", "5+", "9-3", "a-b", "1-2-3"])
def test_what_is_no_range(text):
    with pytest.raises(ValueError, match="FIRST-LAST"):
        parse_range(text)


def test_erasure():
    assert parse_erasure("4+2") == Redundancy(Coding.ERASURE, 4, 6)
    for text in ("4", "4+", "a+b", "4+2+1", "444+1"):
        with pytest.raises(ValueError, match=r"K\+M"):
            parse_erasure(text)
