import asyncio

from xdb.model.ids import Nonce
from xdb.model.registry import Coding, Redundancy
from xdb.node.owner_care import CarePaces
from xdb.runtime.reports import report_text
from xdb.services.catalog import FileRefByName
from xdb.services.upload.request import UploadRequest
from xdb.testing.network import until_done


async def chunks(data):
    yield data


async def read(node, view):
    download = await node.downloader.open(view)
    return b"".join([bytes(part) async for part in node.downloader.read(download)])


async def test_file_goes_up_and_comes_back(world):
    for name in "abcd":
        await world.storage(name)
    node = await world.owner()
    await node.namespaces.create("ns", "", Redundancy(Coding.COPIES, 1, 3))
    request = UploadRequest("ns", "file", world.chain.time + 86400, Nonce(bytes(16)))
    data = bytes(range(256)) * 1000
    uploading = asyncio.ensure_future(node.uploader.upload(request, chunks(data), lambda _: None))
    await until_done(world.clock, uploading)
    view = node.catalog.find(FileRefByName("ns", "file"))
    assert view == await uploading
    reading = asyncio.ensure_future(read(node, view))
    await until_done(world.clock, reading)
    assert await reading == data


async def test_tasks_have_names(world):
    node = await world.owner()
    node.start_tasks()
    names = [task.name for task in node.tasks]
    assert names == ["auditor", "health", "migrator", "renewer", "journal"]
    reports = [report_text(await task.run_once()) for task in node.tasks]
    assert reports == ["nothing to do"] * 5


async def test_probes_are_never_too_rare_to_notice_silence(world):
    node = await world.owner()
    limit = world.chain.parameters.unreachable
    for pace, wanted in ((60.0, 60.0), (10.0 * limit, limit / 4)):
        auditor, *_ = node.care.periodic(node.ports, CarePaces(pace, 60.0, 60.0))
        assert auditor.every == wanted
