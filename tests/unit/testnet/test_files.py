import tomllib

import pytest

from xdb.testnet.files import write_secret, write_toml


def test_toml_comes_back(tmp_path):
    table = {
        "inner": {"text": 'a "quoted" \\ path', "list": ["a", "b"], "empty": []},
        "number": 5,
        "pause": 0.5,
        "on": True,
    }
    write_toml(tmp_path / "file", table, "a comment")
    assert tomllib.loads((tmp_path / "file").read_text()) == table


def test_secret_is_private_and_never_overwritten(tmp_path):
    write_secret(tmp_path / "secret", "x")
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        write_secret(tmp_path / "secret", "y")
