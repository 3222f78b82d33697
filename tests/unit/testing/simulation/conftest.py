"""Servers that echo, on a simulated network whose clock the tests move."""

import asyncio

import grpc
import pytest

from xdb.model.registry import Endpoint
from xdb.pb import chain_pb2
from xdb.peer.calls import READY, Party
from xdb.rpc.edge import Method
from xdb.rpc.limits import Limits, Planes
from xdb.rpc.server import ServerSettings, service_of, unary
from xdb.testing.clock import FakeClock, settle
from xdb.testing.entropy import SeededEntropy
from xdb.testing.network import until_done
from xdb.testing.simulation.network import SimulatedNetwork, simulated_certificate

CLIENT, SERVER = "client", "server"
MESSAGE = chain_pb2.BlockMessage


class Echo:
    """Notes what it is asked, and what became of it. `pause` is how long it thinks."""

    def __init__(self, clock):
        self.clock = clock
        self.asked, self.done, self.cancelled, self.sent = [], [], [], 0
        self.pause = 0.0

    async def ask(self, request, _context):
        self.asked.append(request.block)
        try:
            await self.clock.sleep(self.pause)
        except asyncio.CancelledError:
            self.cancelled.append(request.block)
            raise
        self.done.append(request.block)
        return MESSAGE(block=request.block)

    async def collect(self, messages, context):
        first = await anext(messages)
        await context.send_initial_metadata(((READY, "1"),))
        blocks = [first.block, *[message.block async for message in messages]]
        self.asked.append(b"".join(blocks))
        return MESSAGE(block=self.asked[-1])

    async def count(self, request, _context):
        self.asked.append(b"count")
        try:
            for number in range(getattr(request, "from")):
                await self.clock.sleep(self.pause)
                self.sent += 1
                yield MESSAGE(block=str(number).encode())
        finally:
            self.cancelled.append(b"count")

    async def fail(self, _request, _context):
        raise ValueError("a mistake")

    def service(self):
        handlers = {
            "Ask": unary(self.ask, MESSAGE),
            "Fail": unary(self.fail, MESSAGE),
            "Collect": grpc.stream_unary_rpc_method_handler(
                self.collect,
                request_deserializer=MESSAGE.FromString,
                response_serializer=MESSAGE.SerializeToString,
            ),
            "Count": grpc.unary_stream_rpc_method_handler(
                self.count,
                request_deserializer=chain_pb2.BlocksRequest.FromString,
                response_serializer=MESSAGE.SerializeToString,
            ),
        }
        methods = dict.fromkeys(handlers, Method("open")) | {"Count": Method("open", endless=True)}
        return service_of("Echo", handlers, methods)


class Bench:
    """One network. `echoes` are the servers by host, `seen` the frames that arrived."""

    def __init__(self, seed=0):
        self.clock = FakeClock()
        self.seen = []
        self.network = SimulatedNetwork(
            self.clock,
            SeededEntropy(seed),
            observer=lambda *frame: self.seen.append((self.clock.monotonic(), *frame)),
        )
        self.echoes = {}
        self.connections = {}

    def serve(self, host=SERVER, name=None, limits=None):
        """Serves an echo at that host, until the block ends."""
        echo = self.echoes[host] = Echo(self.clock)
        limits = limits or Limits()
        certificate = simulated_certificate(name or host)
        settings = ServerSettings(
            f"{host}:1", certificate, self.clock, SeededEntropy("server"), limits
        )
        return self.network.serve(settings, [echo.service()], Planes(limits))

    def party(self, client=CLIENT, host=SERVER):
        """The echo at `host` as a client reaches it."""
        if client not in self.connections:
            self.connections[client] = self.network.connections(client)
        endpoint = Endpoint(f"{host}:1", simulated_certificate(host).fingerprint)
        return Party(host, endpoint, self.connections[client])

    async def ask(self, text=b"hello", within=15.0, party=None):
        """What the echo answers."""
        reply = await (party or self.party()).ask("/Echo/Ask", MESSAGE(block=text), MESSAGE, within)
        return reply.block

    async def count(self, most, within=None, party=None):
        """Counts with it."""
        request = chain_pb2.BlocksRequest(**{"from": most})
        counted = (party or self.party()).receive("/Echo/Count", request, within)
        return [int(MESSAGE.FromString(message).block) async for message in counted]

    async def run(self, work):
        """The result of `work` and how long it took; time passes while it waits."""
        task = asyncio.ensure_future(self.timed(work))
        await until_done(self.clock, task)
        return await task

    async def failure(self, work, kind):
        """How long `work` took to fail."""

        async def fails():
            with pytest.raises(kind):
                await work

        _, seconds = await self.run(fails())
        return seconds

    async def timed(self, work):
        start = self.clock.monotonic()
        return await work, self.clock.monotonic() - start

    async def begun(self, work):
        """`work` under way, as far as it comes without time."""
        task = asyncio.ensure_future(work)
        await settle()
        return task

    async def close(self):
        for connections in self.connections.values():
            await connections.close()
        await self.network.close()
        assert self.network.calls == 0


@pytest.fixture
async def make_bench():
    made = []

    def make(seed=0):
        made.append(Bench(seed))
        return made[-1]

    yield make
    for bench in made:
        await bench.close()


@pytest.fixture
def bench(make_bench):
    return make_bench()
