"""A whole network in one process: real nodes of all roles, everything else simulated."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from xdb.core.keyring import NONCE, encrypt_label, namespace_tag
from xdb.core.migration import MigrationConfig
from xdb.core.rules.seeds import is_late, newest
from xdb.core.rules.state import State
from xdb.model.calls import CreateNamespace, RevealSeed
from xdb.model.ids import NodeId
from xdb.model.registry import Coding, Parameters, ProofScheme, Redundancy
from xdb.testing.audits import preimage
from xdb.testing.chain import MemoryChain
from xdb.testing.keys import NamedKey
from xdb.testing.simulation.clock import START, SimulatedClock
from xdb.testing.simulation.links import LinkConditions
from xdb.testing.simulation.network import SimulatedNetwork
from xdb.testing.simulation.nodes import SimulatedOwner, SimulatedStorage
from xdb.testing.simulation.run import Simulation

EPOCH = 3600
TICK = 60.0
MOST_DRIFT = 0.0002
"""Part by which a node's clock runs wrong: 17 s a day. Requests of clocks more than 30 s ahead
are refused, so a longer life would need clocks that are set."""
NAMESPACE = "sim"
COPIES = 3


@dataclass(frozen=True, slots=True)
class WorldConfig:
    """What a world is made of."""

    nodes: int = 6
    copies: int = COPIES
    leaves: int = 16
    lag: int = 0  # blocks until one is final
    epoch: int = EPOCH
    heartbeat: int = 600
    unreachable: int = 3600
    migration: MigrationConfig = field(default_factory=MigrationConfig)
    links: LinkConditions = field(default_factory=LinkConditions)


@dataclass
class World:
    """Chain, network and nodes; `running` starts and ends it."""

    simulation: Simulation
    config: WorldConfig
    chain: MemoryChain
    network: SimulatedNetwork
    clock: SimulatedClock
    storage: dict[NodeId, SimulatedStorage] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """The owner; it is started with all else."""
        self.owner = SimulatedOwner(
            self.simulation,
            self.chain,
            self.network,
            self.clock,
            migration=self.config.migration,
        )

    async def start(self) -> None:
        """All nodes, and the owner with a namespace."""
        tape = self.simulation.tape
        for number in range(self.config.nodes):
            drift = (tape.stream("drift").draw(1)[0] - 128) / 128 * MOST_DRIFT
            clock = SimulatedClock(self.simulation.loop, drift=drift)
            node = SimulatedStorage(
                self.simulation, self.chain, self.network, f"node-{number}", clock
            )
            self.storage[node.key.node] = node
            await node.start()
        await self.owner.start()
        self._create_namespace()

    def _create_namespace(self) -> None:
        key = self.owner.key
        tag = namespace_tag(key, NAMESPACE)
        nonce = self.simulation.tape.stream("label").draw(NONCE)
        label = encrypt_label(key, tag, nonce, NAMESPACE, "")
        redundancy = Redundancy(Coding.COPIES, 1, self.config.copies)
        call = CreateNamespace(tag, label, redundancy, ProofScheme.MERKLE)
        self.chain.call(key.address, call)

    async def stop(self) -> None:
        """Everything ends."""
        await self.owner.crash()
        for node in self.storage.values():
            await node.crash()
        await self.network.close()

    async def make_blocks(self) -> None:
        """Ticks, and a seed for every epoch; goes on until cancelled."""
        beacon = NamedKey("beacon").address
        while True:
            self.chain.tick()
            epoch = self.chain.parameters.epoch_at(self.chain.time)
            known = newest(State(self.chain.state))
            is_new = known is None or known.epoch < epoch
            if epoch and is_new and not is_late(self.chain.parameters, self.chain.time):
                self.chain.call(beacon, RevealSeed(epoch, (preimage(epoch),)))
                self.simulation.record("beacon", f"epoch {epoch}")
            await self.clock.sleep(TICK)


@asynccontextmanager
async def running(simulation: Simulation, config: WorldConfig) -> AsyncIterator[World]:
    """A world that runs."""
    clock = SimulatedClock(simulation.loop)
    parameters = Parameters(
        start=int(START),
        epoch=config.epoch,
        leaves_per_epoch=config.leaves,
        heartbeat=config.heartbeat,
        unreachable=config.unreachable,
        beacons=(preimage(-1),),
    )
    chain = MemoryChain(parameters, clock, lag=config.lag)
    chain.tick()
    network = SimulatedNetwork(clock, simulation.tape.stream("network"), config.links)
    world = World(simulation, config, chain, network, clock)
    blocks = asyncio.create_task(world.make_blocks(), name="blocks")
    try:
        await world.start()
        yield world
    finally:
        await world.stop()
        blocks.cancel()
        await asyncio.gather(blocks, return_exceptions=True)
