import json
import stat

import pytest

from xdb.core.signing import address_of
from xdb.store import keystore
from xdb.store.keystore import key_of_phrase, read_keystore

PHRASE = "test test test test test test test test test test test junk"
ADDRESS = "f39fd6e51aad88f6f4ce6ab8827279cfffb92266"  # the first account of that phrase


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    """Opening a keystore takes no second here."""
    monkeypatch.setattr(
        keystore.write_keystore, "__kwdefaults__", {"scrypt_n": 2, "replace": False}
    )


@pytest.fixture
def password(tmp_path):
    def write(text):
        path = tmp_path / text
        path.touch(mode=0o600)
        path.write_text(f"{text}\n")
        return path

    return write


def test_new(shell, password, tmp_path):
    made = shell("keys", "new", tmp_path / "key", "--password-file", password("one"), "--json")
    assert list(made.json) == ["address", "keystore", "phrase"]
    assert len(made.json["phrase"].split()) == 12
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    key = key_of_phrase(made.json["phrase"])
    assert read_keystore(tmp_path / "key", "one") == key
    assert address_of(key).hex() == made.json["address"]
    done = shell("keys", "show", tmp_path / "key")
    assert made.json["address"] in done.out
    assert made.json["phrase"] not in done.out


def test_new_says_what_to_do_with_the_phrase(shell, password, tmp_path):
    options = ["--password-file", password("one"), "--words", "24"]
    done = shell("keys", "new", tmp_path / "key", *options)
    assert len(done.out.splitlines()[2].split()) == 25
    assert "not shown again" in done.err


def test_what_is_there_is_not_overwritten(shell, password, tmp_path):
    (tmp_path / "key").write_text("precious")
    for verb in ("new", "recover"):
        done = shell.run("keys", verb, tmp_path / "key", "--password-file", password("one"))
        assert done.code == 9
        assert "is not overwritten" in done.err
    assert (tmp_path / "key").read_text() == "precious"
    (tmp_path / "link").symlink_to("nowhere")
    done = shell.run("keys", "new", tmp_path / "link", "--password-file", password("two"))
    assert done.code == 9


def test_recover(shell, password, tmp_path):
    (tmp_path / "phrase").touch(mode=0o600)
    (tmp_path / "phrase").write_text(PHRASE + "\n")
    options = ["--phrase-file", tmp_path / "phrase", "--password-file", password("one")]
    assert shell("keys", "recover", tmp_path / "key", *options, "--json").json == {
        "address": ADDRESS,
        "keystore": str(tmp_path / "key"),
    }
    (tmp_path / "phrase").write_text(PHRASE.replace("junk", "test"))
    done = shell.run("keys", "recover", tmp_path / "other", *options)
    assert done.code == 9
    assert "this is no phrase" in done.err


def test_change_password(shell, password, tmp_path):
    key = tmp_path / "key"
    shell("keys", "new", key, "--password-file", password("one"))
    before = read_keystore(key, "one")
    two = ["--new-password-file", password("two")]
    done = shell.run("keys", "change-password", key, "--password-file", password("three"), *two)
    assert done.code == 9
    assert "wrong password or damaged file" in done.err
    shell("keys", "change-password", key, "--password-file", tmp_path / "one", *two)
    assert read_keystore(key, "two") == before


def test_damage(shell, tmp_path):
    (tmp_path / "key").touch(mode=0o600)
    (tmp_path / "key").write_text("{")
    assert shell.run("keys", "show", tmp_path / "key").code == 9
    assert shell.run("keys", "show", tmp_path / "nothing").code == 9


def test_without_a_terminal_nothing_is_asked(shell, tmp_path):
    done = shell.run("keys", "new", tmp_path / "key")
    assert done.code == 9
    assert "--password-file" in done.err


def test_at_a_terminal_the_password_is_asked_for_twice(at_terminal, tmp_path):
    terminal = at_terminal("keys", "new", tmp_path / "key", "--json")
    terminal.until("New password:")
    terminal.type("c0rrect h0rse")
    terminal.until("The same again:")
    terminal.type("battery")
    terminal.until("do not match")
    terminal.screen = terminal.screen.partition("do not match")[2]
    terminal.until("New password:")
    terminal.type("c0rrect h0rse")
    terminal.until("The same again:")
    terminal.type("c0rrect h0rse")
    assert terminal.end() == 0
    assert "c0rrect" not in terminal.screen
    made = json.loads(terminal.screen.splitlines()[-1])
    assert read_keystore(tmp_path / "key", "c0rrect h0rse") == key_of_phrase(made["phrase"])


def test_an_interrupted_question(at_terminal, tmp_path):
    terminal = at_terminal("keys", "new", tmp_path / "key")
    terminal.until("New password:")
    terminal.interrupt()
    assert terminal.end() == 130
    assert "Traceback" not in terminal.screen
    assert not (tmp_path / "key").exists()
