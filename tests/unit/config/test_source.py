from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from xdb.config.source import load
from xdb.errors import ConfigError
from xdb.model.units import Seconds, Size


@dataclass(frozen=True)
class Inner:
    size: Size = 1
    pause: Seconds = 2.0
    mode: Literal["fast", "safe"] = "safe"
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outer:
    data: Path
    count: int = 3
    on: bool = False
    inner: Inner = field(default_factory=Inner)
    extra: Inner | None = None


def read(tmp_path, text, **environment):
    file = tmp_path / "some.toml"
    file.write_text(text)
    return load(Outer, file, environment)


def refused(tmp_path, text, **environment):
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text, **environment)
    return str(caught.value)


def test_values_units_and_paths(tmp_path):
    config = read(
        tmp_path,
        """
        data = "some/where"
        count = 7
        on = true
        [inner]
        size = "4 MiB"
        pause = "1.5s"
        mode = "fast"
        names = ["a", "b"]
        """,
    )
    assert config == Outer(
        tmp_path / "some/where", 7, True, Inner(4 << 20, 1.5, "fast", ("a", "b"))
    )


def test_defaults(tmp_path):
    assert read(tmp_path, "data = '/x'") == Outer(Path("/x"))


def test_optional_table(tmp_path):
    assert read(tmp_path, "data = '/x'\n[extra]\nsize = 5").extra == Inner(5)


def test_environment_overrides(tmp_path):
    config = read(
        tmp_path,
        "data = '/x'\n[inner]\nsize = 5\npause = 9",
        XDB_DATA="rel",
        XDB_COUNT="8",
        XDB_ON="true",
        XDB_INNER_SIZE="2 KiB",
        XDB_INNER_NAMES="a, b",
        XDB_EXTRA_MODE="fast",
        XDB_CONTEXT="somebody else's",
        HOME="/nowhere",
    )
    assert config == Outer(
        tmp_path / "rel", 8, True, Inner(2048, 9.0, names=("a", "b")), Inner(mode="fast")
    )


def test_unknown_key_names_file_key_and_the_nearest(tmp_path):
    message = refused(tmp_path, "data = '/x'\n[inner]\nsiez = 5")
    assert message == f"{tmp_path / 'some.toml'}: inner.siez: unknown key; did you mean 'size'?"


def test_unknown_key_without_a_near_one_lists_what_is_possible(tmp_path):
    message = refused(tmp_path, "data = '/x'\nzzz = 5")
    assert "zzz: unknown key; possible here: data, count, on, inner, extra" in message


def test_unknown_variable_of_a_section(tmp_path):
    message = refused(tmp_path, "data = '/x'", XDB_INNER_SIZZE="5")
    assert "XDB_INNER_SIZZE: unknown key; did you mean 'XDB_INNER_SIZE'?" in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "data: is missing: add it"),
        ("data = 5", "data: must be a path, is 5"),
        ("data = ''", "data: is empty"),
        ("data = '/x'\ncount = 'many'", "count: invalid literal"),
        ("data = '/x'\ncount = true", "count: must be a whole number, is True"),
        ("data = '/x'\non = 'maybe'", "on: must be true or false, is 'maybe'"),
        ("data = '/x'\ninner = 5", "inner: must be a table"),
        ("data = '/x'\n[inner]\nsize = '4 MB/s'", "inner.size: '4 MB/s' is not a size"),
        ("data = '/x'\n[inner]\nsize = -1", "inner.size: must not be negative"),
        ("data = '/x'\n[inner]\nsize = true", "inner.size: must be a number of bytes"),
        ("data = '/x'\n[inner]\nmode = 'slow'", "is 'slow', must be one of fast, safe"),
        ("data = '/x'\n[inner]\nnames = 5", "inner.names: must be a list"),
        ("data = '/x'\n[inner]\nnames = [5]", "inner.names.0: must be a text"),
        ("data = ", "not valid TOML"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, expected):
    message = refused(tmp_path, text)
    assert expected in message
    assert str(tmp_path / "some.toml") in message


def test_missing_file(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        load(Outer, tmp_path / "absent.toml", {})


def test_unreadable_file(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load(Outer, tmp_path, {})
