"""Servers and callers on the simulated network that lose power."""

import asyncio
from contextlib import suppress

import pytest

from xdb.errors import UnavailableError
from xdb.model.registry import Endpoint
from xdb.pb import chain_pb2
from xdb.peer.calls import Party
from xdb.peer.connections import Connections
from xdb.rpc.edge import Method
from xdb.rpc.limits import Limits, Planes
from xdb.rpc.server import ServerSettings, service_of, unary
from xdb.testing.simulation.clock import SimulatedClock
from xdb.testing.simulation.incarnation import FencedError, Incarnation
from xdb.testing.simulation.links import LinkConditions
from xdb.testing.simulation.network import SimulatedNetwork, simulated_certificate
from xdb.testing.simulation.run import run

MESSAGE = chain_pb2.BlockMessage
ADDRESS = "server:1"
CERTIFICATE = simulated_certificate(ADDRESS)


class World:
    """A server that writes what it is told after a second, in one life after the other."""

    def __init__(self, simulation):
        self.clock = SimulatedClock(simulation.loop)
        self.entropy = simulation.tape.stream("world")
        self.written = []
        self.frames = []
        self.network = SimulatedNetwork(
            self.clock,
            self.entropy,
            LinkConditions(latency=0.1),
            lambda kind, source, *_: self.frames.append((source, kind)),
        )

    def live(self):
        life = Incarnation("server", [], self.entropy)
        disk = life.guard(self.written)
        clock = life.guard(self.clock)

        async def write(request, _context):
            try:
                await clock.sleep(1.0)
                disk.append(request.block)
            finally:
                with suppress(FencedError):
                    disk.append(b"afterwards")
            return MESSAGE(block=b"written")

        async def serve():
            service = service_of(
                "Disk", {"Write": unary(write, MESSAGE)}, {"Write": Method("open")}
            )
            settings = ServerSettings(ADDRESS, CERTIFICATE, self.clock, self.entropy)
            async with self.network.serve(settings, [service], Planes(Limits())):
                await asyncio.get_running_loop().create_future()

        life.start(serve(), name="serve")
        return life

    def party(self, connections):
        return Party("server", Endpoint(ADDRESS, CERTIFICATE.fingerprint), connections)


async def write(party, text):
    reply = await party.ask("/Disk/Write", MESSAGE(block=text), MESSAGE, 15.0)
    return reply.block


def test_a_server_that_loses_power_says_and_does_nothing_more():
    async def main(simulation):
        world = World(simulation)
        life = world.live()
        party = world.party(world.network.connections("client"))
        assert await write(party, b"one") == b"written"
        writing = asyncio.create_task(write(party, b"two"))
        await world.clock.sleep(0.5)
        life.fence()
        world.network.kill(ADDRESS)
        life.crash()
        await life.ended()
        with pytest.raises(UnavailableError, match="reset"):
            await writing
        with pytest.raises(UnavailableError, match="refused"):
            await write(party, b"three")
        life = world.live()
        assert await write(party, b"four") == b"written"
        await life.stop()
        await world.network.close()
        return world.written

    assert run(1, main).result == [b"one", b"afterwards", b"four", b"afterwards"]


def test_a_caller_that_loses_power_gives_up_its_calls_and_begins_no_more():
    async def main(simulation):
        world = World(simulation)
        serving = world.live()
        life = Incarnation("client", [], world.entropy)
        transport = world.network.transport("client", life.check)
        party = world.party(Connections(transport=transport))

        async def call():
            try:
                await write(party, b"one")
            finally:
                await write(party, b"two")

        life.start(call(), name="call")
        await world.clock.sleep(0.6)
        life.crash()
        await life.ended()
        await world.clock.sleep(5.0)
        assert world.network.calls == 0
        await serving.stop()
        await world.network.close()
        assert world.written == [b"afterwards"]
        return [kind for source, kind in world.frames if source == "client"]

    assert run(1, main).result == ["Request", "Request", "Gone"]  # the first connects
