import click

from xdb.cli.table import Column, lines

COLUMNS = (Column("NAME", elastic=True), Column("SIZE", right=True), Column("HEALTH"))
ROWS = [["a/very/long/path/to/some/file.txt", "1 B", "green"], ["b", "100.0 MiB", "lost"]]


def plain(available):
    return [click.unstyle(line) for line in lines(COLUMNS, ROWS, available)]


def test_columns_are_aligned():
    assert plain(None) == [
        "NAME                                    SIZE  HEALTH",
        "a/very/long/path/to/some/file.txt        1 B  green",
        "b                                  100.0 MiB  lost",
    ]


def test_a_narrow_terminal_shortens_what_may_be():
    assert plain(40) == [
        "NAME                        SIZE  HEALTH",
        "a/very/lon…e/file.txt        1 B  green",
        "b                      100.0 MiB  lost",
    ]
    assert plain(5)[1] == "a/ver…le.txt        1 B  green"


def test_colours():
    title, good, bad = lines(COLUMNS, ROWS, None)
    assert title.startswith("\x1b[1m")
    assert click.style("green", fg="green") in good
    assert click.style("lost", fg="red") in bad


def test_wide_characters():
    found = lines((Column("A"), Column("B")), [["日本", "x"], ["ab", "y"]], None)
    assert found[1:] == ["日本  x", "ab    y"]


def test_cells_do_not_drive_the_terminal():
    assert lines((Column("A"),), [["\x1b[2J"]], None)[1] == "\ufffd[2J"
