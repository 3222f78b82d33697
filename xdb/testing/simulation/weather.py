"""What comes over the network, the clocks and the disks of a simulated network, and passes."""

from collections.abc import Callable
from dataclasses import dataclass

from xdb.errors import StorageFullError, UnavailableError
from xdb.model.calls import SetNodeState
from xdb.model.registry import NodeState
from xdb.ports.entropy import Entropy
from xdb.testing.simulation.draws import below, fraction
from xdb.testing.simulation.fabric import Hold
from xdb.testing.simulation.fate import Fate, Fault, nothing
from xdb.testing.simulation.links import LinkConditions
from xdb.testing.simulation.network import SimulatedNetwork
from xdb.testing.simulation.nodes import SimulatedStorage
from xdb.testing.simulation.paces import MINUTE

WEATHER_STATES = (
    "a node was cut off",
    "a node heard and could not answer",
    "a node flapped",
    "a link was bad",
    "connections were reset",
    "a node stood still",
    "a disk was full",
    "a disk could not be read",
    "a sync failed",
    "a clock was wrong",
    "a node drained",
    "an epoch had no seed",
)
_FLAPS = 12
_STORM = 0.2  # chance of a message to be lost or doubled, at most
_WRONG = 600.0  # seconds a clock is wrong, at most


@dataclass
class Weather:
    """Faults that cost nothing that was durable."""

    fate: Fate

    def faults(self) -> list[tuple[int, Fault]]:
        """What may happen, and how often in relation to the rest."""
        return [
            (3, self.cut_off),
            (2, self.half_open),
            (1, self.flapping),
            (4, self.bad_link),
            (4, self.reset),
            (2, self.pause),
            (2, self.disk_full),
            (1, self.read_errors),
            (2, self.sync_failure),
            (2, self.wrong_clock),
            (2, self.drain),
            (1, self.no_seed),
        ]

    # ------------------------------------------------------------ network

    async def cut_off(self) -> None:
        """Nothing reaches a node for a while; the chain does."""
        with self.fate.taken() as node:
            if node is not None:
                self.fate.count("a node was cut off")
                await self._held(self.network.partition([_host(node)]), 2)

    async def half_open(self) -> None:
        """A node hears, and nobody hears it."""
        with self.fate.taken() as node:
            if node is not None:
                self.fate.count("a node heard and could not answer")
                await self._held(self.network.clog(_host(node), "owner"), 1)

    async def flapping(self) -> None:
        """A node comes and goes every few minutes."""
        with self.fate.taken() as node:
            if node is None:
                return
            self.fate.count("a node flapped")
            for _ in range(1 + below(self._draw, _FLAPS)):
                await self._held(self.network.partition([_host(node)]), 0.2)
                await self.fate.world.clock.sleep(self.fate.long("weather", 0.2))

    async def bad_link(self) -> None:
        """Messages to and from a node get lost, doubled, slow or late."""
        with self.fate.taken() as node:
            if node is None:
                return
            self.fate.count("a link was bad")
            conditions = LinkConditions(
                latency=fraction(self._draw),
                jitter=fraction(self._draw),
                bandwidth=1e5 if below(self._draw, 2) else None,
                lost=fraction(self._draw) * _STORM,
                broken=fraction(self._draw) * _STORM,
                duplicated=fraction(self._draw) * _STORM,
            )
            host, usual = _host(node), self.fate.world.config.links
            self.network.shape(conditions, source=host)
            self.network.shape(conditions, target=host)
            await self.fate.world.clock.sleep(self.fate.long("weather", 1))
            self.network.shape(usual, source=host)
            self.network.shape(usual, target=host)

    async def reset(self) -> None:
        """All connections between the owner and a node break."""
        with self.fate.taken() as node:
            if node is not None:
                self.fate.count("connections were reset")
                self.network.reset("owner", _host(node))

    async def pause(self) -> None:
        """A node stands still, as a stopped process does, for the network to see."""
        with self.fate.taken() as node:
            if node is not None:
                self.fate.count("a node stood still")
                await self._held(self.network.pause(_host(node)), 1)

    # ------------------------------------------------------------ disks

    async def disk_full(self) -> None:
        """A disk has no room for a while."""

        def step(operation: str, path: str) -> None:
            if operation == "write":
                raise StorageFullError(f"no room left for {path}: make room on its disk")

        with self.fate.taken() as node:
            if node is not None:
                self.fate.count("a disk was full")
                await self._stepping(node, step)

    async def read_errors(self) -> None:
        """A disk reads nothing for a while: what a node says it lost meanwhile, it lost."""

        def step(operation: str, path: str) -> None:
            if operation == "read":
                raise UnavailableError(f"{path}: Input/output error")

        with self.fate.taken(costly=True) as node:
            if node is not None:
                self.fate.harm(node, "a disk could not be read")
                await self._stepping(node, step)

    async def sync_failure(self) -> None:
        """A sync fails; the node has to stop, and somebody starts it again."""

        def step(operation: str, path: str) -> None:
            if operation == "sync":
                raise UnavailableError(f"{path}: Input/output error")

        with self.fate.taken() as node:
            if node is None:
                return
            self.fate.count("a sync failed")
            await self._stepping(node, step)
            if node.node is not None and node.node.store.files.failed:
                await self.fate.down(node, MINUTE)

    async def _stepping(self, node: SimulatedStorage, step: Callable[[str, str], None]) -> None:
        trouble = self.fate.account.trouble(node.key.node, self.fate.now)
        disk = node.disk
        disk.step = step
        await self.fate.world.clock.sleep(self.fate.long("weather", 1))
        disk.step = nothing
        trouble.end = self.fate.now + self.fate.world.config.epoch / 2  # it tries again later

    # ------------------------------------------------------------ time, people, the beacon

    async def wrong_clock(self) -> None:
        """A node's clock is minutes wrong until somebody sets it."""
        with self.fate.taken() as node:
            if node is None:
                return
            self.fate.count("a clock was wrong")
            trouble = self.fate.account.trouble(node.key.node, self.fate.now)
            seconds = (2 * fraction(self._draw) - 1) * _WRONG
            node.clock.jump(seconds)
            await self.fate.world.clock.sleep(self.fate.long("weather", 1))
            node.clock.jump(-seconds)
            trouble.end = self.fate.now

    async def drain(self) -> None:
        """An operator wants a node empty, and thinks better of it."""
        with self.fate.taken() as node:
            if node is None:
                return
            self.fate.count("a node drained")
            trouble = self.fate.account.trouble(node.key.node, self.fate.now)
            chain, key = self.fate.world.chain, node.key.address
            chain.call(key, SetNodeState(NodeState.DRAINING))
            await self.fate.world.clock.sleep(self.fate.long("weather", 4))
            chain.call(key, SetNodeState(NodeState.ONLINE))
            trouble.end = self.fate.now

    async def no_seed(self) -> None:
        """The beacon is silent for an epoch or two."""
        self.fate.count("an epoch had no seed")
        self.fate.world.silent = True
        await self.fate.world.clock.sleep(self.fate.long("weather", 2))
        self.fate.world.silent = False

    # ------------------------------------------------------------ inside

    async def heal(self) -> None:
        """All of it is over."""
        self.network.heal()
        self.fate.world.silent = False
        for node in self.fate.world.storage.values():
            node.disk.step = nothing

    async def _held(self, hold: Hold, epochs: float) -> None:
        await self.fate.world.clock.sleep(self.fate.long("weather", epochs))
        hold.end()

    @property
    def network(self) -> SimulatedNetwork:
        """All links."""
        return self.fate.world.network

    @property
    def _draw(self) -> Entropy:
        return self.fate.simulation.tape.stream("weather")


def _host(node: SimulatedStorage) -> str:
    return f"{node.name}.example"
