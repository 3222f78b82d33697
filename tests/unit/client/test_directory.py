import os
from pathlib import Path

import pytest

from xdb.client.directory import (
    AT_ONCE,
    DirectoryResult,
    DirectoryUpload,
    Entry,
    Outcome,
    prefix_of,
    walk,
)
from xdb.errors import ConfigError, InvalidRequestError


def test_prefixes():
    for path, prefix in {"a/tree": "tree", "tree/": "tree", ".": "", "..": "", "a/..": ""}.items():
        assert prefix_of(Path(path)) == prefix


def test_entries_come_in_order_of_names(tmp_path):
    for name in ("b", "a/z", "a/b/c", "c.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "empty").mkdir()
    found = [(entry.name, entry.size) for entry in walk(tmp_path, "p")]
    assert found == [("p/a/b/c", 5), ("p/a/z", 3), ("p/b", 1), ("p/c.txt", 5)]
    assert next(entry.name for entry in walk(tmp_path, "")) == "a/b/c"


def test_what_is_no_file_is_told(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / os.fsdecode(b"\xff")).write_text("no character")
    loop, pipe, odd = walk(tmp_path, "")
    assert loop.skipped
    assert pipe.skipped
    assert isinstance(odd.error, InvalidRequestError)
    with pytest.raises(ConfigError, match="is no directory"):
        walk(tmp_path / "nothing", "")


async def test_results_of_files_that_end_together_come_in_the_order_of_the_files():
    entries = [Entry(Path(f"{number}"), f"{number}", 1) for number in range(AT_ONCE * 10)]

    async def upload(entry, _report):
        return DirectoryResult(entry.path, entry.name, Outcome.UPLOADED)

    upload_all = DirectoryUpload(entries, upload, lambda _progress: None)
    assert [result.name async for result in upload_all.run()] == [e.name for e in entries]
