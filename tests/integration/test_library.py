"""The blocking client, and the examples of docs/library.md."""

import contextlib
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from xdb.client import FileStatus, Outcome, copies
from xdb.client.sync import Client
from xdb.errors import ConfigError, CorruptFileError, NotFoundError
from xdb.testing.gateway import PASSWORD, gateway_in_thread

DOCS = Path(__file__).parents[2] / "docs" / "library.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", DOCS.read_text(), re.DOTALL | re.MULTILINE)
DATA = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with gateway_in_thread(tmp_path_factory.mktemp("context")) as served:
        yield served


@pytest.fixture
def owner(served):
    owner, _ = served
    owner.__init__(owner.clock)
    return owner


@pytest.fixture
def xdb(owner, served):
    assert owner.world.files == []
    with Client.open(served[1]) as client:
        client.namespaces.create("ns", copies(3))
        yield client


@pytest.mark.usefixtures("xdb")
@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_examples(served, tmp_path, monkeypatch, capsys, number):
    context = served[1]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDB_CONTEXT", str(context))
    for name in ("context.toml", "client.json"):
        (tmp_path / name).symlink_to(context.with_name(name))
    (tmp_path / "me.password").write_text(PASSWORD)
    (tmp_path / "client.password").symlink_to(context.with_name("client.password"))
    (tmp_path / "holiday.jpg").write_bytes(DATA)
    (tmp_path / "album").mkdir()
    (tmp_path / "album/a.jpg").write_bytes(DATA)
    with Client.open() as client, contextlib.suppress(NotFoundError):
        client.namespaces.create("photos", copies(3))
    exec(compile(EXAMPLES[number], f"example {number}", "exec"), {"__name__": "example"})
    assert capsys.readouterr().out or number == 1


def test_everything_blocks(xdb, owner, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(DATA)
    file = xdb.upload(path, "ns", "a", progress=lambda _: None)
    assert xdb.info("ns/a") == file
    assert xdb.read(file) == DATA
    assert b"".join(map(bytes, xdb.stream("ns/a", 5))) == DATA[5:]
    xdb.download("ns/a", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == DATA
    assert [each.name for each in xdb.files("ns")] == ["a"]
    assert [each.name for each in xdb.list("ns").files] == ["a"]
    assert all(check.good for check in xdb.verify("ns/a"))
    assert xdb.usage()[0].files == 1
    assert xdb.status().owner == owner.world.owner
    assert [each.name for each in xdb.namespaces.list()] == ["ns"]
    assert xdb.health.system().files.green == 1
    assert xdb.health.file(file).good == 3
    assert xdb.health.namespace("ns").name == "ns"
    node = next(xdb.nodes.list()).node
    assert xdb.health.node(node).node == node
    assert list(xdb.health.events()) == []
    assert xdb.migrations.plan().steps == ()
    assert xdb.migrations.run().moved == 0
    assert [finding.node for finding in xdb.audits.run(node).findings] == [node]
    assert xdb.namespaces.update("ns", redundancy=copies(2)).redundancy.total == 2
    assert xdb.namespaces.info("ns").files == 1
    nodes = list(xdb.nodes.list())
    assert xdb.nodes.info(nodes[0].node).reachable
    assert xdb.rename("ns/a", "b").name == "b"
    assert xdb.renew("ns/b", file.expiry).expiry == file.expiry
    assert xdb.delete("ns/b").status is FileStatus.DELETED
    assert xdb.undelete("ns/b").status is FileStatus.LIVE
    with pytest.raises(NotFoundError):
        xdb.info("ns/a")


def test_sources(xdb):
    async def asynchronous():
        yield b"asynchronous"

    xdb.upload((part for part in (b"a", b"b")), "ns", "generator")
    xdb.upload(asynchronous(), "ns", "asynchronous")
    assert xdb.read("ns/generator") == b"ab"
    assert xdb.read("ns/asynchronous") == b"asynchronous"


def test_a_directory(xdb, tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    (result,) = xdb.upload_directory(tmp_path, "ns", "d")
    assert (result.outcome, result.name) == (Outcome.UPLOADED, "d/a")


def test_an_iteration_that_is_given_up(xdb):
    for name in "abc":
        xdb.upload(b"", "ns", name)
    files = xdb.files()
    assert next(files).name == "c"
    files.close()
    assert xdb.read("ns/a") == b""


def test_several_threads(xdb):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: xdb.upload(bytes([n]), "ns", f"{n}"), range(20)))
    assert {file.name for file in xdb.files("ns")} == {f"{n}" for n in range(20)}


def test_nothing_is_left_running(served):
    before = set(threading.enumerate())
    with Client.open(served[1]) as client:
        client.status()
    left = {thread for thread in set(threading.enumerate()) - before if thread.name == "xdb-client"}
    assert not left


def test_a_context_that_does_not_open(served, tmp_path):
    with pytest.raises(ConfigError), Client.open(tmp_path / "nothing"):
        pass
    with pytest.raises(CorruptFileError, match="wrong password"):
        Client.open(served[1], password="wrong").__enter__()
