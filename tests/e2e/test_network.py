"""Files on real processes: through what breaks, the bytes come back."""

import asyncio
import os

import pytest

from xdb.client.client import Client
from xdb.errors import XdbError
from xdb.model.registry import Coding, Redundancy

COPIES = Redundancy(Coding.COPIES, 1, 3)
DATA = os.urandom(700_000) + bytes(50_000)  # a dozen slices, the last bytes zeros


@pytest.fixture
async def client(shared):
    shared.start()  # what an earlier test broke
    async with Client.open(shared.layout.context) as client:
        yield client


@pytest.fixture
async def files(client, request):
    """A namespace of the test's own."""
    name = request.node.name[:50]
    await client.namespaces.create(name, COPIES)
    return name


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source"
    path.write_bytes(DATA)
    return path


def nodes_at(shared, info):
    """The names of the processes that hold a file."""
    addresses = {slot.address for slot in info.slots}
    return [name for name, process in shared.status().items() if process.address in addresses]


async def test_file_survives_the_loss_of_two_holders(shared, client, files, source):
    info = await client.upload(source, files)
    holders = nodes_at(shared, info)
    assert len(holders) == 3
    for name in holders[:2]:
        shared.kill(name)
        assert await client.read(info) == DATA
    assert await client.read(info, 99_000, 70_000) == DATA[99_000:169_000]


async def test_new_file_goes_to_nodes_that_live(shared, client, files, source):
    shared.kill("node-1")
    info = await client.upload(source, files)
    assert nodes_at(shared, info) == ["node-2", "node-3", "node-4"]


async def test_everything_is_there_after_all_processes_died(shared, client, files, source):
    info = await client.upload(source, files)
    for name in shared.status():
        shared.kill(name)
    shared.start()
    assert await client.read(f"{files}/source") == DATA
    again = await client.upload(source, files, "another")
    assert {file.name async for file in client.files(files)} == {"source", "another"}
    assert again.slots != ()
    assert info.file != again.file


async def test_owner_killed_in_the_middle_of_an_upload_leaves_no_file(shared, client, files):
    upload_id = os.urandom(16)
    half = asyncio.Event()

    async def slowly():
        yield DATA[:500_000]
        await half.wait()

    def see(progress):
        if any(holder.size for holder in progress.holders):
            shared.kill("owner")
            half.set()

    with pytest.raises(XdbError):
        await client.upload(slowly(), files, "half", progress=see, upload_id=upload_id)
    shared.start()
    assert [file async for file in client.files(files)] == []

    async def whole():
        yield DATA

    info = await client.upload(whole(), files, "half", upload_id=upload_id)
    assert await client.read(info) == DATA


async def test_node_killed_in_the_middle_of_an_upload_is_replaced(shared, client, files):
    killed = []

    async def source():
        yield DATA[:400_000]
        yield DATA[400_000:]

    def see(progress):
        if not killed and progress.holders:
            node = progress.holders[0].node.hex()
            killed.extend(name for name, one in shared.status().items() if one.id == node)
            shared.kill(killed[0])

    info = await client.upload(source(), files, "file", progress=see)
    assert killed
    assert killed[0] not in nodes_at(shared, info)
    assert await client.read(info) == DATA
