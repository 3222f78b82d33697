"""The relay: what comes in goes out unchanged, or not at all."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys

import pytest

from xdb.errors import UnavailableError
from xdb.testnet.files import write_toml
from xdb.testnet.partition import CONTROL, control_path, read_cut, set_cut
from xdb.testnet.relay import Relay, Way, controlled, read_ways

pytestmark = pytest.mark.timeout(60)
LARGE = 8 << 20


class Behind:
    """A server behind the relay: `serve` decides what it does, and `ends` counts who left."""

    def __init__(self):
        self.accepted = asyncio.Semaphore(0)
        self.left = asyncio.Semaphore(0)
        self.taken = 0
        self.hold = asyncio.Event()  # nothing is read before
        self.hold.set()

    async def serve(self, reader, writer):
        """Echoes, until the other side has said all."""
        self.accepted.release()
        with contextlib.suppress(OSError):
            await self.hold.wait()
            while data := await reader.read(65536):
                self.taken += len(data)
                writer.write(data)
                await writer.drain()
        writer.close()
        self.left.release()


@pytest.fixture
async def behind():
    return Behind()


@pytest.fixture
async def relay():
    return Relay()


@pytest.fixture
async def port(relay, behind):
    """The relay's port for node `n`."""
    server = await asyncio.start_server(behind.serve, "127.0.0.1", 0)
    way = Way("n", "127.0.0.1:0", f"127.0.0.1:{port_of(server)}")
    opened = await relay.listen(way)
    yield port_of(opened)
    opened.close()
    server.close()
    await relay.set_cut(frozenset({"n"}))


def port_of(server):
    return server.sockets[0].getsockname()[1]


async def connect(port):
    return await asyncio.open_connection("127.0.0.1", port)


async def is_reset(reader):
    try:
        return await reader.read() == b"a connection that ended in order"
    except ConnectionResetError:
        return True


async def echoes(port, data=b"hello"):
    reader, writer = await connect(port)
    writer.write(data)
    writer.write_eof()
    try:
        return await reader.read() == data
    finally:
        writer.close()


async def test_bytes_pass_both_ways_unchanged(port):
    assert await echoes(port, os.urandom(300_000))
    assert await echoes(port, b"")


async def test_many_at_once(port):
    assert all(await asyncio.gather(*[echoes(port, os.urandom(5000)) for _ in range(50)]))


async def test_what_is_not_taken_is_not_read(port, behind):
    behind.hold.clear()
    reader, writer = await connect(port)
    here = writer.get_extra_info("socket")
    here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
    await behind.accepted.acquire()
    writer.transport.pause_reading()  # and nothing comes back to this side
    sent, stuck = 0, False
    while not stuck and sent < 64 << 20:  # more than the buffers of the sockets on the way
        writer.write(bytes(1 << 20))
        sent += 1 << 20
        try:
            await asyncio.wait_for(writer.drain(), 0.5)
        except TimeoutError:
            stuck = True
    assert stuck
    behind.hold.set()
    writer.transport.resume_reading()
    writer.write_eof()
    assert len(await reader.read()) == sent
    writer.close()


async def test_a_node_that_does_not_listen(relay):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        way = Way("n", "127.0.0.1:0", f"127.0.0.1:{nobody.getsockname()[1]}")
        server = await relay.listen(way)
        reader, writer = await connect(port_of(server))
        assert await is_reset(reader)
        writer.close()
        server.close()


async def test_odd_clients_leave_nothing_behind(port, behind, relay):
    """One that says nothing, one that resets, one that sends and vanishes."""
    for part in (b"", b"half a"):
        reader, writer = await connect(port)
        writer.write(part)
        await behind.accepted.acquire()
        here = writer.get_extra_info("socket")
        here.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()
        await behind.left.acquire()
        assert reader is not None
    _, writer = await connect(port)
    writer.close()
    await behind.left.acquire()
    assert await echoes(port)
    if relay._open:
        await asyncio.wait(list(relay._open))
    assert relay._open == {}


async def test_a_half_closed_connection_goes_on_the_other_way(port, behind):
    behind.hold.clear()
    reader, writer = await connect(port)
    writer.write(b"all I have to say")
    writer.write_eof()
    await behind.accepted.acquire()
    behind.hold.set()
    assert await reader.read() == b"all I have to say"
    writer.close()


# ---------------------------------------------------------------- cut off


async def test_cut_off_and_back(port, relay, behind):
    reader, writer = await connect(port)
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    await relay.set_cut(frozenset({"n"}))
    assert await is_reset(reader)
    await behind.left.acquire()  # the other end is told as well
    writer.close()
    later, second = await connect(port)
    assert await is_reset(later)
    second.close()
    assert behind.left.locked()  # it never came through
    await relay.set_cut(frozenset())
    assert await echoes(port)


async def test_others_are_not_cut_off(port, relay):
    reader, writer = await connect(port)
    writer.write(b"one")
    assert await reader.readexactly(3) == b"one"
    await relay.set_cut(frozenset({"m"}))
    writer.write(b"two")
    assert await reader.readexactly(3) == b"two"
    assert await echoes(port)
    writer.close()


async def test_a_connection_that_is_stuck_is_cut_off_too(port, relay, behind):
    behind.hold.clear()
    reader, writer = await connect(port)
    writer.write(bytes(LARGE))
    await behind.accepted.acquire()
    await relay.set_cut(frozenset({"n"}))
    assert await is_reset(reader)
    writer.close()
    behind.hold.set()
    await behind.left.acquire()


# ---------------------------------------------------------------- told what to cut


async def test_told_by_a_file_and_a_socket(relay, tmp_path):
    home = tmp_path / ("deep" * 30)  # longer than the path of a socket may be
    home.mkdir()
    async with controlled(relay, home):
        for names in (frozenset({"a", "b"}), frozenset({"b"}), frozenset()):
            await asyncio.to_thread(set_cut, home, names)
            assert relay.cut == read_cut(home) == names
    with pytest.raises(UnavailableError, match=r"does not answer .*testnet restart relay"):
        set_cut(home, frozenset({"a"}))
    async with controlled(relay, home):  # what it was told when it was down
        assert relay.cut == {"a"}
        assert stat.S_ISSOCK((home / CONTROL).stat().st_mode)


async def test_odd_askers_and_a_damaged_file(relay, tmp_path, capsys):
    async with controlled(relay, tmp_path):
        await asyncio.to_thread(set_cut, tmp_path, frozenset({"a"}))
        _, writer = await asyncio.open_unix_connection(tmp_path / CONTROL)
        writer.transport.abort()
        (tmp_path / "cut.json").write_text("{")
        reader, writer = await asyncio.open_unix_connection(tmp_path / CONTROL)
        assert await reader.read() == b""
        writer.close()
        assert relay.cut == {"a"}
        assert "not told what is cut off" in capsys.readouterr().err
        await asyncio.to_thread(set_cut, tmp_path, frozenset())
        assert relay.cut == set()


def test_a_relay_that_says_something_else(tmp_path):
    directory = os.open(tmp_path, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(control_path(directory))
        server.listen()
        code = "import socket, sys; s = socket.socket(fileno=int(sys.argv[1]));"
        code += "c = s.accept()[0]; c.sendall(b'[\"other\"]')"
        command = [sys.executable, "-c", code, str(server.fileno())]
        with (
            subprocess.Popen(command, pass_fds=[server.fileno()]),
            pytest.raises(UnavailableError, match="cuts off other nodes than"),
        ):
            set_cut(tmp_path, frozenset({"a"}))
    os.close(directory)


def test_configuration(tmp_path):
    table = {"advertised": "h:1", "node": "h:2", "chain": "h:3", "server": "h:4"}
    write_toml(tmp_path / "relay.toml", {"n": table}, "ways")
    ways = [Way("n", "h:1", "h:2"), Way("n", "h:3", "h:4")]
    assert read_ways(tmp_path / "relay.toml") == ways


def test_as_a_process(tmp_path):
    (tmp_path / "relay.toml").write_text("")
    (tmp_path / "cut.json").write_text(json.dumps(["n"]))
    read, write = os.pipe()
    command = [sys.executable, "-m", "xdb.testnet.relay"]
    command += ["--config", str(tmp_path / "relay.toml"), "--ready-fd", str(write)]
    with subprocess.Popen(command, pass_fds=[write]) as process:
        os.close(write)
        assert os.read(read, 100) == b"ready\n"
        os.close(read)
        set_cut(tmp_path, frozenset())
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
