"""A network in one process: real clients and services, simulated hosts and links.

Messages are bytes; connections fail and delay as TCP, TLS and grpc would make them. A host is
the part of an address before the port. Time is a `Clock`'s, chance an `Entropy`'s.

Not here: corrupted bytes (TLS finds them), the most streams of one connection, the age and
idle time after which a server closes one, health checks and reflection.
"""

import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from itertools import count

import grpc

from xdb.peer.certificates import Certificate
from xdb.peer.config import PeerConfig
from xdb.peer.connections import Connections
from xdb.ports.clock import Clock
from xdb.ports.entropy import Entropy
from xdb.rpc.limits import Planes
from xdb.rpc.server import ServerSettings, Service
from xdb.testing.simulation.exchange import Exchange
from xdb.testing.simulation.fabric import Fabric, Hold, Observer, host_of
from xdb.testing.simulation.frames import Request, Status
from xdb.testing.simulation.links import PERFECT, LinkConditions
from xdb.testing.simulation.serving import SimulatedServer
from xdb.testing.simulation.transport import HELLO, SimulatedTransport, no_check


def simulated_certificate(name: str) -> Certificate:
    """A certificate that a name determines. It has a fingerprint, and no key."""
    shown = sha256(f"certificate {name}".encode()).digest()
    return Certificate(ssl.DER_cert_to_PEM_cert(shown).encode(), b"")


class SimulatedNetwork:
    """Servers by address, links between hosts, and what a test or a seed does to them.

    `observer` is told of every frame that arrives; `faults` counts what went wrong by kind.
    """

    def __init__(
        self,
        clock: Clock,
        entropy: Entropy,
        conditions: LinkConditions = PERFECT,
        observer: Observer | None = None,
    ) -> None:
        self.fabric = Fabric(clock, entropy.stream("network"), conditions, observer)
        self._numbers = count()
        self._servers: dict[str, SimulatedServer] = {}
        self._exchanges: dict[int, Exchange] = {}
        self._starts: Counter[str] = Counter()  # of servers, by address
        self._breaks: Counter[tuple[str, str]] = Counter()  # by caller's host and server's address

    @property
    def faults(self) -> Counter[str]:
        """What went wrong, by kind."""
        return self.fabric.faults

    @property
    def calls(self) -> int:
        """How many are under way."""
        return len(self._exchanges)

    # What production code uses.

    def transport(self, host: str, check: Callable[[], None] = no_check) -> SimulatedTransport:
        """How that host reaches others. `check` raises when it is down: then no call begins."""
        return SimulatedTransport(self, host, check)

    def connections(self, host: str, config: PeerConfig | None = None) -> Connections:
        """Connections of that host."""
        return Connections(config, self.transport(host))

    @asynccontextmanager
    async def serve(
        self, settings: ServerSettings, services: Sequence[Service], planes: Planes
    ) -> AsyncIterator[int]:
        """As `rpc.server.serve`; `settings.listen` is where others reach it."""
        server = SimulatedServer(self.fabric, settings, services, planes)
        if server.address in self._servers:
            raise ValueError(f"something listens at {server.address} already")
        self._servers[server.address] = server
        self._starts[server.address] += 1
        try:
            yield int(server.address.rpartition(":")[2])
        finally:
            try:
                await server.stop()
            finally:
                self._forget(server)

    # Faults.

    def shape(
        self, conditions: LinkConditions, source: str | None = None, target: str | None = None
    ) -> None:
        """Gives links these conditions: one, all from or to a host, or all there ever are."""
        if source is not None and target is not None:
            self.fabric.link(source, target).conditions = conditions
            return
        for link in self.fabric.links():
            if source in {None, link.source} and target in {None, link.target}:
                link.conditions = conditions
        if source is target is None:
            self.fabric.conditions = conditions

    def clog(self, source: str, target: str) -> Hold:
        """Messages from one host to another wait; those the other way go on.

        So a half-open path, too: with the server as source, requests arrive and replies do not.
        """
        return self.fabric.hold(lambda a, b: (a, b) == (source, target))

    def partition(self, side: Iterable[str], other: Iterable[str] | None = None) -> Hold:
        """Nothing passes between hosts of the two sides; without `other` it is all the rest."""
        left = frozenset(side)
        right = None if other is None else frozenset(other)

        def covers(source: str, target: str) -> bool:
            if right is None:
                return (source in left) != (target in left)
            return (source in left and target in right) or (source in right and target in left)

        return self.fabric.hold(covers)

    def pause(self, host: str) -> Hold:
        """Nothing reaches or leaves a host that stands still."""
        return self.fabric.hold(lambda source, target: host in {source, target})

    def heal(self) -> None:
        """Ends all that holds messages, and makes all links perfect."""
        for hold in list(self.fabric.holds):
            hold.end()
        self.shape(PERFECT)

    def reset(self, host: str, other: str) -> None:
        """All calls between two hosts fail, whoever made them."""
        self.fabric.faults["reset"] += 1
        for exchange in list(self._exchanges.values()):
            if {exchange.source, exchange.host} == {host, other}:
                self._breaks[exchange.source, exchange.address] += 1
                exchange.cut("connection reset")

    def kill(self, address: str) -> None:
        """The server there ends at once, its handlers cancelled. Whoever calls it is refused.

        What it could still write must be fenced before; nothing of it leaves the host.
        """
        server = self._servers.get(address)
        if server is not None:
            self.fabric.faults["killed"] += 1
            server.kill()
            self._forget(server)

    async def close(self) -> None:
        """Ends everything; the network is of no use afterwards."""
        for server in list(self._servers.values()):
            server.kill()
            self._forget(server)
        for exchange in list(self._exchanges.values()):
            exchange.cut("the network is closed")
        await self.fabric.close()

    # What calls use.

    def exchange(self, source: str, address: str) -> Exchange:
        """A new call."""
        made = Exchange(self, next(self._numbers), source, address)
        self._exchanges[made.number] = made
        return made

    def connection(self, source: str, address: str) -> object:
        """Which of all connections there ever are between them is the one of now."""
        serves = address in self._servers
        return self._starts[address], serves, self._breaks[source, address]

    def knows_lost(self, source: str, address: str, connection: object) -> bool:
        """Whether the source has been told that a connection is lost: unless that is held."""
        back = self.fabric.link(host_of(address), source)
        return self.connection(source, address) != connection and not self.fabric.held(back)

    def arrive(self, exchange: Exchange, request: Request) -> None:
        """A request is at its address."""
        server = self._servers.get(exchange.address)
        if server is None or not server.taking:
            self.fabric.faults["refused"] += 1
            exchange.down.send(Status(grpc.StatusCode.UNAVAILABLE, "connection refused"))
            return
        shown = ssl.PEM_cert_to_DER_cert(server.settings.certificate.certificate.decode())
        if request.method == HELLO:
            exchange.down.send(Status(grpc.StatusCode.OK, message=shown))
        elif shown != exchange.certificate:
            exchange.down.send(Status(grpc.StatusCode.UNAVAILABLE, "TLS handshake failed"))
        else:
            self._exchanges[exchange.number] = exchange
            server.begin(exchange, request)
            self._duplicate(exchange, request)

    def break_connection(self, source: str, address: str) -> None:
        """All calls from a host to an address end."""
        self._breaks[source, address] += 1
        for exchange in list(self._exchanges.values()):
            if (exchange.source, exchange.address) == (source, address):
                exchange.cut("connection broken")

    def settled(self, exchange: Exchange) -> None:
        """Forgets a call when neither side is in it."""
        if exchange.over:
            self._exchanges.pop(exchange.number, None)

    def _duplicate(self, exchange: Exchange, request: Request) -> None:
        """Sends a request that has arrived once more, perhaps. Nobody waits for the answer."""
        # Not before it has arrived: the second of the two must be the one that is refused.
        if exchange.repeatable and exchange.up.link.duplicates():
            self.fabric.faults["duplicated"] += 1
            again = Exchange(self, next(self._numbers), exchange.source, exchange.address)
            again.certificate = exchange.certificate
            again.up.send(request)

    def _forget(self, server: SimulatedServer) -> None:
        if self._servers.get(server.address) is server:
            del self._servers[server.address]
