import io
import os
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from xdb.client.records import FileInfo, FileStatus
from xdb.client.target import Header, PathTarget, StreamTarget, check_free, is_stream, part_name
from xdb.errors import ConfigError, ConflictError
from xdb.model.ids import Digest, FileId
from xdb.model.registry import Coding, Redundancy

DATA = b"0123456789"
FILE = FileInfo(
    file=FileId(b"f" * 32),
    namespace="ns",
    name="name",
    description="",
    size=len(DATA),
    published=None,
    expiry=datetime(2100, 1, 1, tzinfo=UTC),
    deleted=None,
    gone=None,
    status=FileStatus.LIVE,
    redundancy=Redundancy(Coding.COPIES, 1, 1),
    slots=(),
    root=Digest(bytes(32)),
    version=1,
    health=None,
)
WHOLE = Header(FILE, 0, len(DATA), Digest(sha256(DATA).digest()))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "target"


def names(path):
    return sorted(entry.name for entry in path.parent.iterdir())


async def test_nothing_is_at_the_path_until_everything_is_kept(path):
    target = PathTarget(path, replace=False)
    assert await target.begin(WHOLE) == 0
    await target.write(DATA[:4])
    assert names(path) == [part_name("target", WHOLE)]
    await target.write(DATA[4:])
    assert target.digest() == WHOLE.digest
    await target.keep()
    await target.release()
    assert path.read_bytes() == DATA
    assert names(path) == ["target"]


async def test_what_was_left_is_used(path):
    target = PathTarget(path, replace=False)
    await target.begin(WHOLE)
    await target.write(DATA[:4])
    await target.release()
    target = PathTarget(path, replace=False)
    assert await target.begin(WHOLE) == 4
    await target.write(DATA[4:])
    assert target.digest() == WHOLE.digest
    await target.keep()
    assert path.read_bytes() == DATA
    await target.release()


async def test_what_was_left_of_another_file_is_not_used(path):
    target = PathTarget(path, replace=False)
    await target.begin(WHOLE)
    await target.write(DATA[:4])
    await target.release()
    other = replace(WHOLE, file=replace(FILE, file=FileId(b"g" * 32)))
    target = PathTarget(path, replace=False)
    assert await target.begin(other) == 0
    await target.release()


async def test_ranges_and_nothing_leave_nothing(path):
    for header, data in ((replace(WHOLE, offset=2, length=4), b"23"), (WHOLE, b"")):
        target = PathTarget(path, replace=False)
        assert await target.begin(header) == 0
        await target.write(data)
        await target.release()
        assert names(path) == []


async def test_starting_anew_forgets(path):
    target = PathTarget(path, replace=False)
    await target.begin(WHOLE)
    await target.write(b"wrong")
    await target.start_anew()
    await target.write(DATA)
    assert target.digest() == WHOLE.digest
    await target.keep()
    await target.release()
    assert path.read_bytes() == DATA


async def test_one_at_a_time(path):
    first, second = PathTarget(path, replace=False), PathTarget(path, replace=False)
    await first.begin(WHOLE)
    await first.write(DATA[:4])
    with pytest.raises(ConflictError, match="being downloaded"):
        await second.begin(WHOLE)
    await second.release()
    await first.write(DATA[4:])
    await first.keep()
    await first.release()
    assert path.read_bytes() == DATA


async def test_what_came_in_between_is_not_overwritten(path):
    target = PathTarget(path, replace=False)
    await target.begin(WHOLE)
    await target.write(DATA)
    path.write_bytes(b"mine")
    with pytest.raises(ConflictError, match="is not overwritten"):
        await target.keep()
    await target.release()
    assert path.read_bytes() == b"mine"
    assert part_name("target", WHOLE) in names(path)


async def test_a_file_system_without_hard_links(path, monkeypatch):
    def refuse(*_arguments, **_options):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    target = PathTarget(path, replace=False)
    await target.begin(WHOLE)
    await target.write(DATA)
    await target.keep()
    await target.release()
    assert names(path) == ["target"]


def test_what_may_be_written_to(path):
    check_free(path, replace=False)
    path.symlink_to("nowhere")
    with pytest.raises(ConflictError):
        check_free(path, replace=False)
    check_free(path, replace=True)
    with pytest.raises(ConfigError, match="is a directory"):
        check_free(path.parent, replace=True)
    assert not is_stream(path)


def test_names_of_unfinished_files():
    assert part_name("a", WHOLE) == f".a.{'66' * 8}.part"
    assert part_name("a", replace(WHOLE, offset=2, length=3)) == f".a.{'66' * 8}.2-3.part"
    for name in ("n" * 255, "é" * 127, "a" + "日" * 84):
        assert len(os.fsencode(part_name(name, WHOLE))) <= 255


async def test_streams():
    memory = io.BytesIO()
    target = StreamTarget(memory)
    assert await target.begin(WHOLE) == 0
    for part in (DATA[:4], memoryview(DATA)[4:]):
        await target.write(part)
    assert target.digest() == WHOLE.digest
    await target.keep()
    await target.release()
    assert memory.getvalue() == DATA


async def test_writers_that_take_a_little_at_a_time():
    class Slow(io.BytesIO):
        def write(self, data):
            return super().write(bytes(data)[:3])

    memory = Slow()
    target = StreamTarget(memory)
    await target.write(DATA)
    assert memory.getvalue() == DATA
