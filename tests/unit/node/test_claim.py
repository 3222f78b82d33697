import dataclasses

import pytest

from xdb.errors import ConfigError, CorruptFileError
from xdb.node.claim import Owner, claimed

OWNER = Owner("storage", "ab" * 20, "cd" * 32, "ef" * 20)


def test_claim_again_and_again(tmp_path):
    data = tmp_path / "deep" / "data"
    for _ in range(2):
        with claimed(data, OWNER):
            pass
    assert data.stat().st_mode & 0o777 == 0o700
    assert (data / "node.toml").read_text().startswith('format = 1\nrole = "storage"\n')


@pytest.mark.parametrize("field", ["role", "id", "chain", "contract"])
def test_somebody_elses_directory_is_refused(tmp_path, field):
    with claimed(tmp_path / "data", OWNER):
        pass
    other = dataclasses.replace(OWNER, **{field: "other"})
    expected = f"belongs to another node: its {field} is"
    with pytest.raises(ConfigError, match=expected), claimed(tmp_path / "data", other):
        pass


def test_one_process_at_a_time(tmp_path):
    data = tmp_path / "data"
    expected = "in use by another process"
    with (
        claimed(data, OWNER),
        pytest.raises(ConfigError, match=expected),
        claimed(data, OWNER),
    ):
        pass
    with claimed(tmp_path / "data", OWNER):
        pass


def test_damaged_record(tmp_path):
    (tmp_path / "node.toml").write_text("role = ")
    with pytest.raises(CorruptFileError, match="damaged"), claimed(tmp_path, OWNER):
        pass


def test_record_of_a_newer_format_is_refused(tmp_path):
    with claimed(tmp_path / "data", OWNER):
        pass
    record = tmp_path / "data" / "node.toml"
    record.write_text(record.read_text().replace("format = 1", "format = 2"))
    with pytest.raises(ConfigError, match="its format is 2"), claimed(tmp_path / "data", OWNER):
        pass


def test_place_that_cannot_be_a_directory(tmp_path):
    (tmp_path / "file").write_text("")
    expected = "cannot be used as the data directory"
    with pytest.raises(ConfigError, match=expected), claimed(tmp_path / "file" / "data", OWNER):
        pass
