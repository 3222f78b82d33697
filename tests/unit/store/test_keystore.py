import json

import pytest
from eth_account import Account
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xdb.core.keyring import derive
from xdb.core.signing import address_of, recover
from xdb.errors import ConfigError, CorruptFileError
from xdb.store.keystore import (
    LocalKey,
    change_password,
    key_of_phrase,
    keystore_address,
    new_phrase,
    read_keystore,
    write_keystore,
)

KEY = bytes(range(32))
FAST = 1 << 4
PHRASE = "test test test test test test test test test test test junk"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "keys" / "alice.json"
    write_keystore(path, KEY, "secret", scrypt_n=FAST)
    return path


def test_what_is_written_is_read(path):
    assert read_keystore(path, "secret") == KEY
    assert keystore_address(path) == address_of(KEY)


def test_wallets_read_it(path):
    assert bytes(Account.decrypt(path.read_text(), "secret")) == KEY


def test_nobody_else_may_read_it(path):
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    path.chmod(0o640)
    with pytest.raises(ConfigError, match=f"chmod 600 {path}"):
        read_keystore(path, "secret")


def test_it_is_not_overwritten(path):
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="is not overwritten"):
        write_keystore(path, bytes([1] * 32), "other", scrypt_n=FAST)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["alice.json"]


def test_a_wrong_password_is_said_to_be_that_or_damage(path):
    with pytest.raises(CorruptFileError, match=f"wrong password or damaged file: {path}"):
        read_keystore(path, "guess")


def spoil(path, **changes):
    content = json.loads(path.read_text())
    content["crypto"].update(changes)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    "damage",
    [
        lambda p: p.write_bytes(p.read_bytes()[:100]),
        lambda p: p.write_bytes(b""),
        lambda p: p.write_bytes(b"[]"),
        lambda p: p.write_bytes(b"{}"),
        lambda p: p.write_bytes(b"\xff\xfe"),
        lambda p: spoil(p, mac="00" * 32),
        lambda p: spoil(p, ciphertext="zz"),
        lambda p: spoil(p, kdf="unheard of"),
        lambda p: spoil(p, kdfparams={}),
        lambda p: spoil(p, kdfparams={"dklen": 32, "n": 1 << 22, "r": 256, "p": 1, "salt": "00"}),
        lambda p: p.write_bytes(b"[" * 60_000),
    ],
)
def test_damage_is_named(path, damage):
    damage(path)
    with pytest.raises(CorruptFileError, match=f"damaged file: {path}"):
        read_keystore(path, "secret")


@settings(
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(at=st.integers(0, 2000), byte=st.integers(0, 255))
def test_any_byte_may_be_damaged(path, at, byte):
    before = path.read_bytes()
    at %= len(before)
    path.write_bytes(before[:at] + bytes([byte]) + before[at + 1 :])
    try:
        assert read_keystore(path, "secret") == KEY  # not every byte matters
    except CorruptFileError as error:
        assert "damaged file" in str(error)  # noqa: PT017  # either outcome is right
    path.write_bytes(before)


def test_a_file_far_too_large_is_not_read(path):
    path.write_bytes(b" " * (1 << 20))
    with pytest.raises(CorruptFileError, match="too large"):
        read_keystore(path, "secret")


def test_a_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(ConfigError, match="xdb-cli keys new"):
        read_keystore(tmp_path / "none.json", "x")


def test_the_password_changes(path):
    change_password(path, "secret", "better", scrypt_n=FAST)
    assert read_keystore(path, "better") == KEY
    with pytest.raises(CorruptFileError):
        read_keystore(path, "secret")
    assert path.stat().st_mode & 0o777 == 0o600


def test_phrases_are_those_of_the_wallets():
    assert key_of_phrase(PHRASE).hex() == (
        "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
    )
    assert key_of_phrase(f"  {PHRASE.replace(' ', '  ')}\n") == key_of_phrase(PHRASE)
    assert new_phrase(bytes(16)) == "abandon " * 11 + "about"
    assert len(new_phrase(bytes(32)).split()) == 24


@pytest.mark.parametrize("phrase", ["", "one two three", PHRASE.replace("junk", "test")])
def test_what_is_no_phrase_is_refused(phrase):
    with pytest.raises(ConfigError, match="no phrase"):
        key_of_phrase(phrase)


def test_a_local_key_signs_and_derives_and_shows_nothing():
    key = LocalKey(KEY)
    digest = bytes([7] * 32)
    assert recover(digest, key.sign(digest)) == key.address == address_of(KEY)
    assert key.derive("label", b"context") == derive(KEY, "label", b"context")
    assert KEY.hex() not in repr(key)
