"""A TCP relay between the processes of a testnet, which can cut storage nodes off.

Every node has two ways through it: others come in by one port, the node goes out to the
chain by another. Bytes pass unchanged, so TLS does, too. A file names the nodes that are cut
off; whoever connects to a socket beside it makes the relay read it again, and is told what
it read when that is in force. A process of its own: `python -m xdb.testnet.relay`.
"""

import argparse
import asyncio
import json
import os
import resource
import signal
import socket
import struct
import sys
import tomllib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from xdb.testnet.partition import control_path, read_cut

WAYS = {"advertised": "node", "chain": "server"}
"""What a node's table says: where the relay listens, and where that leads."""

_CHUNK = 64 << 10  # held at most a few times for each direction of a connection
_CONNECT = 10.0
_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: a close is a reset


@dataclass(frozen=True, slots=True)
class Way:
    """One port of the relay."""

    node: str  # whose
    listen: str  # host:port
    target: str


class Relay:
    """Forwards connections, but for nodes that are cut off."""

    def __init__(self) -> None:
        self.cut: frozenset[str] = frozenset()
        self._open: dict[asyncio.Task[None], str] = {}  # with the node's name

    async def listen(self, way: Way) -> asyncio.Server:
        """Opens a port."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._serve(way, reader, writer)

        host, port = _split(way.listen)
        return await asyncio.start_server(serve, host, port, limit=_CHUNK)

    async def set_cut(self, names: frozenset[str]) -> None:
        """Cuts off these nodes and no others. Returns when their connections are gone."""
        self.cut = names
        ending = [task for task, node in self._open.items() if node in names]
        for task in ending:
            task.cancel()
        if ending:
            await asyncio.wait(ending)

    async def _serve(
        self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        if task is None or way.node in self.cut:
            _reset(writer)
            return
        self._open[task] = way.node
        ends = [writer]
        try:
            await _forward(way, reader, ends)
        except* OSError:
            pass  # one side is gone, and so is the other in a moment
        finally:
            for end in ends:
                _reset(end)  # nothing happens to those that are closed
            del self._open[task]


async def _forward(
    way: Way, reader: asyncio.StreamReader, ends: list[asyncio.StreamWriter]
) -> None:
    """Connects, adds that end to `ends`, and returns when both sides said all they had to."""
    host, port = _split(way.target)
    async with asyncio.timeout(_CONNECT):
        answers, there = await asyncio.open_connection(host, port, limit=_CHUNK)
    ends.append(there)
    async with asyncio.TaskGroup() as both:
        both.create_task(_pump(reader, there))
        both.create_task(_pump(answers, ends[0]))
    for end in ends:
        end.close()
        await end.wait_closed()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One direction, read no faster than it is taken at the other end."""
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Ends a connection at once, and lets the other side know."""
    with suppress(OSError):  # closed already
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    writer.transport.abort()


def read_ways(config: Path) -> list[Way]:
    """The ways in a configuration: one table for each node."""
    tables = tomllib.loads(config.read_text())
    return [
        Way(node, table[listen], table[target])
        for node, table in tables.items()
        for listen, target in WAYS.items()
    ]


@asynccontextmanager
async def controlled(relay: Relay, home: Path) -> AsyncIterator[None]:
    """Cuts off what the file in `home` names, now and when somebody connects to the socket."""

    async def look(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await relay.set_cut(read_cut(home))
            writer.write(json.dumps(sorted(relay.cut)).encode())
            await writer.drain()
        except (OSError, ValueError) as error:  # it is gone, or the file is damaged
            print(f"not told what is cut off: {error}", file=sys.stderr, flush=True)  # noqa: T201  # its log
        finally:
            writer.close()

    await relay.set_cut(read_cut(home))
    directory = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        server = await asyncio.start_unix_server(look, control_path(directory))
        try:
            yield
        finally:
            server.close()
    finally:
        os.close(directory)


async def run(config: Path, ready: int | None = None) -> None:
    """Relays until SIGTERM; says so on the descriptor `ready` when all ports are open."""
    relay, stop = Relay(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as servers:
        await servers.enter_async_context(controlled(relay, config.parent))
        for way in read_ways(config):
            servers.callback((await relay.listen(way)).close)
        if ready is not None:
            os.write(ready, b"ready\n")
            os.close(ready)
        await stop.wait()


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m xdb.testnet.relay")
    parser.add_argument("--config", required=True, type=Path)
    parser.add_argument("--ready-fd", type=int)
    options = parser.parse_args(arguments)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # two for each connection
    asyncio.run(run(options.config, options.ready_fd))


if __name__ == "__main__":
    main()
