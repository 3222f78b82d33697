"""What differs at a terminal."""

import pytest

from xdb.testing.gateway import PASSWORD

DATA = bytes(3 << 20)


@pytest.fixture
def file(xdb, tmp_path):
    (tmp_path / "file").write_bytes(DATA)
    return xdb("upload", "file", "ns", "--json").json


@pytest.mark.usefixtures("file")
def test_rm_asks(at_terminal, xdb):
    terminal = at_terminal("rm", "ns/file")
    terminal.until("Delete ns/file? [y/N]:")
    terminal.type("n")
    assert terminal.end() == 4
    assert xdb("ls", "--json").json["files"]
    terminal = at_terminal("rm", "ns/file", "ns/other")
    terminal.until("Delete 2 files? [y/N]:")
    terminal.type("y")
    assert terminal.end() == 11
    terminal = at_terminal("rm", "--yes", "ns/other")
    assert terminal.end() == 3
    assert "Delete" not in terminal.screen


@pytest.mark.usefixtures("file")
def test_the_password_is_asked_for_when_no_file_has_it(at_terminal, served, tmp_path):
    context = served[1]
    lines = [line for line in context.read_text().splitlines() if "password_file" not in line]
    text = "\n".join(lines).replace('"client.json"', f'"{context.with_name("client.json")}"')
    (tmp_path / "context.toml").write_text(text)
    terminal = at_terminal("--context", tmp_path / "context.toml", "ls")
    terminal.until("client.json:")
    terminal.type(PASSWORD)
    assert terminal.end() == 0
    assert "ns/file" in terminal.screen


@pytest.mark.usefixtures("file")
def test_without_a_terminal_a_missing_password_is_told(xdb, served, tmp_path):
    lines = [line for line in served[1].read_text().splitlines() if "password_file" not in line]
    (tmp_path / "context.toml").write_text("\n".join(lines))
    done = xdb.run("--context", "context.toml", "ls")
    assert done.code == 9
    assert "password" in done.err


@pytest.mark.usefixtures("file")
def test_colours(at_terminal, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal = at_terminal("ls")
    assert terminal.end() == 0
    assert "\x1b[32mgreen" in terminal.screen
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = at_terminal("ls")
    assert terminal.end() == 0
    assert "\x1b" not in terminal.screen
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    terminal = at_terminal("download", "ns/file", "/dev/null")
    assert terminal.end() == 0
    assert "\x1b" not in terminal.screen


@pytest.mark.usefixtures("file")
def test_bars(at_terminal, owner, monkeypatch, tmp_path):
    monkeypatch.setenv("TERM", "xterm-256color")
    owner.script.stall_at = 1 << 20
    owner.script.notes = ["slot 2 goes to another node"]
    terminal = at_terminal("upload", tmp_path / "file", "ns/again")
    terminal.until("3.0 MiB")
    terminal.until("durable")
    terminal.until("published")
    terminal.interrupt()
    assert terminal.end() == 130
    assert "slot 2 goes to another node" in terminal.screen
    assert "Traceback" not in terminal.screen
    assert terminal.screen.endswith("interrupted\r\n")
