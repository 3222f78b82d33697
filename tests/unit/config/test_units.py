import pytest

from xdb.config.units import parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("4096", 4096),
        ("4 MiB", 4 << 20),
        ("4MiB", 4 << 20),
        ("1.5 GiB", 3 << 29),
        ("500 kB", 500_000),
        (" 2 TiB ", 2 << 40),
        ("7 B", 7),
    ],
)
def test_size(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("30s", 30), ("5 min", 300), ("36 h", 129_600), ("7d", 604_800), ("250ms", 0.25)],
)
def test_duration(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "MiB", "4 mib", "4 XiB", "-4 MiB", "1e9", "4 MiB/s", "30 s"])
def test_what_is_no_size(text):
    with pytest.raises(ValueError, match="is not a size such as '4 MiB'"):
        parse_size(text)


@pytest.mark.parametrize("text", ["", "s", "5 m", "-1s", "1:30", "4 MiB"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="is not a duration such as '30s'"):
        parse_duration(text)
