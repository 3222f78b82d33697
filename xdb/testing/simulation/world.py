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
from xdb.testing.keys import NamedKey
from xdb.testing.simulation.chains import Chain, Personality, make_chain
from xdb.testing.simulation.clock import START, SimulatedClock
from xdb.testing.simulation.links import LinkConditions
from xdb.testing.simulation.network import SimulatedNetwork
from xdb.testing.simulation.nodes import SimulatedOwner, SimulatedStorage
from xdb.testing.simulation.paces import Paces
from xdb.testing.simulation.run import Simulation

NAMESPACE = "sim"
THREE_COPIES = Redundancy(Coding.COPIES, 1, 3)


@dataclass(frozen=True, slots=True)
class WorldConfig:
    """What a world is made of."""

    nodes: int = 6
    redundancy: Redundancy = THREE_COPIES
    leaves: int = 16
    lag: int = 0  # blocks until one is final, on the immediate chain
    personality: Personality = "immediate"
    links: LinkConditions = field(default_factory=LinkConditions)
    paces: Paces = field(default_factory=Paces)
    drift: float = 0.0002  # part by which a clock runs wrong, at most: 17 s a day
    epoch: int = 3600  # seconds, as all below
    heartbeat: int = 600
    unreachable: int = 3600
    retention: int = 7 * 86400
    receipt_validity: int = 3600
    stray_grace: int = 86400
    migration: MigrationConfig = field(default_factory=MigrationConfig)

    def parameters(self) -> Parameters:
        """Of its chain."""
        return Parameters(
            start=int(START),
            epoch=self.epoch,
            leaves_per_epoch=self.leaves,
            heartbeat=self.heartbeat,
            unreachable=self.unreachable,
            retention=self.retention,
            receipt_validity=self.receipt_validity,
            stray_grace=self.stray_grace,
            beacons=(preimage(-1),),
        )


@dataclass
class World:
    """Chain, network and nodes; `running` starts and ends it."""

    simulation: Simulation
    config: WorldConfig
    chain: Chain
    network: SimulatedNetwork
    clock: SimulatedClock
    storage: dict[NodeId, SimulatedStorage] = field(default_factory=dict)
    silent: bool = False  # whether the beacon is

    def __post_init__(self) -> None:
        """The owner; it is started with all else."""
        self.owner = SimulatedOwner(
            self.simulation,
            self.chain,
            self.network,
            self.clock,
            self.config.paces,
            migration=self.config.migration,
        )

    async def start(self) -> None:
        """All nodes, and the owner with a namespace."""
        tape, paces = self.simulation.tape, self.config.paces
        for number in range(self.config.nodes):
            drift = (tape.stream("drift").draw(1)[0] - 128) / 128 * self.config.drift
            clock = SimulatedClock(self.simulation.loop, drift=drift)
            node = SimulatedStorage(
                self.simulation, self.chain, self.network, f"node-{number}", clock, paces
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
        call = CreateNamespace(tag, label, self.config.redundancy, ProofScheme.MERKLE)
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
            late = is_late(self.chain.parameters, self.chain.time)
            if epoch and is_new and not late and not self.silent:
                self.chain.call(beacon, RevealSeed(epoch, (preimage(epoch),)))
                self.simulation.record("beacon", f"epoch {epoch}")
            await self.clock.sleep(self.config.paces.tick)


@asynccontextmanager
async def running(simulation: Simulation, config: WorldConfig) -> AsyncIterator[World]:
    """A world that runs."""
    clock = SimulatedClock(simulation.loop)
    chain = make_chain(config.personality, simulation, config.parameters(), clock, lag=config.lag)
    network = SimulatedNetwork(clock, simulation.tape.stream("network"), config.links)
    world = World(simulation, config, chain, network, clock)
    blocks = asyncio.create_task(world.make_blocks(), name="blocks")
    making = asyncio.create_task(chain.run(), name="chain")
    try:
        await world.start()
        yield world
    finally:
        await world.stop()
        blocks.cancel()
        making.cancel()
        await asyncio.gather(blocks, making, return_exceptions=True)
