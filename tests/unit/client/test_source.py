import io
import os

import pytest

from xdb.client.source import BLOCK, source_of
from xdb.errors import ConfigError, InvalidRequestError, SourceChangedError


async def read(source):
    return b"".join([bytes(part) async for part in source.read(await source.measure())])


async def test_path(tmp_path):
    path = tmp_path / "file"
    data = os.urandom(BLOCK + 5)
    path.write_bytes(data)
    source = source_of(path)
    assert source.rewindable
    assert await source.measure() == len(data)
    assert await read(source) == data
    assert await read(source) == data


async def test_a_file_that_grows_is_read_as_long_as_it_was(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    source = source_of(path)
    size = await source.measure()
    path.write_bytes(b"1234567")
    assert b"".join([part async for part in source.read(size)]) == b"12345"


async def test_a_file_that_shrinks_is_told(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    source = source_of(path)
    size = await source.measure()
    path.write_bytes(b"123")
    with pytest.raises(SourceChangedError, match="2 bytes shorter"):
        _ = [part async for part in source.read(size)]


async def test_files_are_read_from_where_they_stand():
    source = source_of(io.BytesIO(b"12345"))
    assert (source.rewindable, await source.measure()) == (True, 5)
    file = io.BytesIO(b"12345")
    file.seek(2)
    source = source_of(file)
    assert await source.measure() == 3
    assert await read(source) == b"345"
    assert await read(source) == b"345"


async def test_pipes_are_read_once(tmp_path):
    reading, writing = os.pipe()
    os.write(writing, b"12345")
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        source = source_of(file)
        assert (source.rewindable, await source.measure()) == (False, None)
        assert await read(source) == b"12345"
    os.mkfifo(tmp_path / "fifo")
    source = source_of(tmp_path / "fifo")
    assert (source.rewindable, await source.measure()) == (False, None)


async def test_bytes():
    for data in (b"12345", bytearray(b"12345"), memoryview(b"0123456")[1:6]):
        source = source_of(data)
        assert (source.rewindable, await source.measure()) == (True, 5)
        assert await read(source) == b"12345"


async def test_what_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match=r"nothing cannot be read: No such file"):
        await source_of(tmp_path / "nothing").measure()
    with pytest.raises(InvalidRequestError, match="is a directory"):
        await source_of(tmp_path).measure()
    with pytest.raises(InvalidRequestError, match="cannot be uploaded"):
        source_of(object())
