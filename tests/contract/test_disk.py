"""What every disk does."""

import errno
import os
import resource

import pytest

from xdb.errors import (
    ConfigError,
    NotFoundError,
    OverloadedError,
    StorageFullError,
    UnavailableError,
)
from xdb.store.disk import LocalDisk
from xdb.testing.compute import InlineCompute
from xdb.testing.disk import MemoryDisk


@pytest.fixture(params=["memory", "local"])
def disk(request, tmp_path):
    if request.param == "memory":
        yield MemoryDisk()
        return
    disk = LocalDisk(tmp_path / "root", InlineCompute())
    yield disk
    disk.close()


@pytest.fixture
def local(tmp_path):
    disk = LocalDisk(tmp_path / "root", InlineCompute())
    yield disk
    disk.close()


async def test_what_is_written_is_read(disk):
    await disk.write("a/b/c", [b"one", memoryview(b"two"), bytearray(b"three"), b""])
    assert await disk.read("a/b/c") == b"onetwothree"
    assert await disk.size("a/b/c") == 11
    await disk.write("a/b/c", [b"short"])
    assert await disk.read("a/b/c") == b"short"


async def test_ranges(disk):
    await disk.write("f", [b"0123456789"])
    assert await disk.read("f", 3, 4) == b"3456"
    assert await disk.read("f", 8, 10) == b"89"
    assert await disk.read("f", 20, 5) == b""
    assert await disk.read("f", 9) == b"9"
    assert await disk.read("f", 0, 0) == b""


async def test_large_contents(disk):
    data = os.urandom(9_000_001)
    await disk.write("large", [data[:5], data[5:]])
    assert await disk.read("large") == data


@pytest.mark.parametrize("size", [(256 << 10) - 1, 256 << 10, (256 << 10) + 1, (4 << 20) + 181])
async def test_sizes_around_blocks(disk, size):
    data = os.urandom(size)
    await disk.write("f", [b"head", data])
    assert await disk.size("f") == size + 4
    assert await disk.read("f") == b"head" + data
    for offset in (0, 4, 180, 4096, size - 5, size + 4):
        for length in (0, 1, 4095, 256 << 10, size):
            assert await disk.read("f", offset, length) == (b"head" + data)[offset:][:length]
    await disk.write("f", [data[: size // 2]])
    assert await disk.read("f") == data[: size // 2]


async def test_renaming_replaces(disk):
    await disk.write("a/x", [b"new"])
    await disk.write("b/y", [b"old"])
    await disk.rename("a/x", "b/y")
    await disk.rename("b/y", "c/d/e/z")
    assert await disk.read("c/d/e/z") == b"new"
    assert await disk.names("a") == []
    with pytest.raises(NotFoundError):
        await disk.read("b/y")


async def test_lists_are_sorted_and_of_one_level(disk):
    for path in ("d/b", "d/a", "d/sub/c", "e"):
        await disk.write(path, [b""])
    assert await disk.names("d") == ["a", "b", "sub"]
    assert await disk.names("") == ["d", "e"]
    assert await disk.names("none") == []


async def test_removing_what_is_not_there_is_fine(disk):
    await disk.write("a/f", [b"x"])
    await disk.remove("a/f")
    await disk.remove("a/f")
    await disk.remove("none/f")
    assert await disk.names("a") == []
    await disk.sync_directory("a")


@pytest.mark.parametrize("call", ["read", "size"])
async def test_what_is_missing_is_named(disk, call):
    with pytest.raises(NotFoundError, match="a/none does not exist"):
        await getattr(disk, call)("a/none")


async def test_room_is_told(disk):
    assert await disk.free() > 0


@pytest.mark.parametrize("path", ["../out", "/etc/passwd", "a/../../b", "a//b", "a/./b", "a\0b"])
async def test_nothing_outside_the_root_is_reached(disk, path):
    for call in (disk.read(path), disk.write(path, [b""]), disk.remove(path)):
        with pytest.raises(ValueError, match="no relative path"):
            await call


async def test_symbolic_links_are_not_followed(local, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "f").write_bytes(b"theirs")
    (tmp_path / "root" / "way").symlink_to(tmp_path / "outside")
    (tmp_path / "root" / "link").symlink_to(tmp_path / "outside" / "f")
    for path in ("way/f", "link"):
        for call in (local.read(path), local.write(path, [b"ours"])):
            with pytest.raises(UnavailableError):
                await call
    assert (tmp_path / "outside" / "f").read_bytes() == b"theirs"


async def test_the_root_may_be_a_link(tmp_path):
    (tmp_path / "large").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "large")
    disk = LocalDisk(tmp_path / "root", InlineCompute())
    await disk.write("f", [b"x"])
    disk.close()
    assert (tmp_path / "large" / "f").read_bytes() == b"x"


async def test_want_of_descriptors_is_overload(local, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OverloadedError, match="try again"):
        await local.read("f")


@pytest.mark.parametrize("size", [10_000, 1 << 20])
async def test_a_full_disk_is_said_so(tmp_path, size):
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    disk = LocalDisk(tmp_path / "root", InlineCompute())
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard[1]))
    try:
        with pytest.raises(StorageFullError, match="no room left"):
            await disk.write("f", [bytes(size)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, hard)
    disk.close()


async def test_nobody_else_may_look(local, tmp_path):
    await local.write("a/b", [b"x"])
    assert (tmp_path / "root/a/b").stat().st_mode & 0o777 == 0o600
    for directory in ("root", "root/a"):
        assert (tmp_path / directory).stat().st_mode & 0o777 == 0o700


async def test_a_root_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "f").write_bytes(b"")
    with pytest.raises(ConfigError, match="cannot use"):
        LocalDisk(tmp_path / "f", InlineCompute())
