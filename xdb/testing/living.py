"""A network that lives: seeds, proofs and heartbeats, epoch by epoch and by hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from xdb.core.migration import MigrationConfig
from xdb.model.calls import RevealSeed
from xdb.model.ids import NodeId
from xdb.model.registry import Parameters
from xdb.model.storage import ReplicaKey
from xdb.services.answering import Answering
from xdb.services.observations import Observations
from xdb.services.surrender import Surrendering
from xdb.tasks.migrator import MigratorReport
from xdb.tasks.prover import ProverReport, ProverTask
from xdb.testing.audits import preimage
from xdb.testing.care import Care
from xdb.testing.compute import InlineCompute
from xdb.testing.network import START, Network, network
from xdb.testing.owner import OwnerBench

EPOCH = 3600


@dataclass
class Living:
    """The network, its owner's services and tasks, and what provers reported last.

    What the owner has seen is kept beside its journal; `restart_owner` takes it up again.
    """

    net: Network
    bench: OwnerBench
    config: MigrationConfig = field(default_factory=lambda: MigrationConfig(grace=0.0))
    reports: dict[NodeId, ProverReport] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Wires the owner's tasks."""
        self.restart_owner()

    def restart_owner(self) -> None:
        """The owner's tasks anew, with what was kept."""
        bench = self.bench
        bench.observations = self.observations = Observations(bench.journal_kv)
        bench.survey.probed = self.observations
        tasks = Care(bench, self.config)
        self.book, self.planner = tasks.book, tasks.migrator.planner
        self.auditor, self.health, self.migrator = tasks.auditor, tasks.health, tasks.migrator

    async def care(self) -> MigratorReport:
        """One cycle of the owner's tasks."""
        await self.bench.run(self.auditor.run_once())
        await self.health.run_once()
        report: MigratorReport = await self.bench.run(self.migrator.run_once())
        await self.health.run_once()
        return report

    @property
    def epoch(self) -> int:
        """The epoch now."""
        return self.net.chain.parameters.epoch_at(self.net.chain.time)

    def prover(self, node: NodeId) -> ProverTask:
        """A member's prover."""
        member, net = self.net.members[node], self.net
        return ProverTask(
            node=node,
            signer=member.key.address,
            index=net.index,
            registry=net.chain.registry(member.key, net.entropy),
            answering=Answering(net.index, member.custody.store, InlineCompute(), EPOCH // 4),
        )

    async def begin_epoch(self, *, seed: bool = True) -> None:
        """The start of the next epoch, its seed and everybody's heartbeats."""
        chain = self.net.chain
        chain.advance(chain.parameters.start_of(self.epoch + 1) - chain.time)
        if seed:
            call = RevealSeed(self.epoch, (preimage(self.epoch),))
            chain.call(self.net.owner.address, call)
        self.net.heartbeats()
        await self.net.caught_up()

    async def prove(self) -> None:
        """Every member that is up proves."""
        for node, member in self.net.members.items():
            if member.up:
                self.reports[node] = await self.prover(node).run_once()

    async def scrub(self) -> None:
        """Every member that is up re-hashes all it has, and gives up what was not restored."""
        net = self.net
        for node, member in net.members.items():
            if not member.up:
                continue
            store = member.custody.store
            for part in list(store.catalog.parts()):
                if part.piece is None:
                    await store.verify_manifest(part.file, part.slot)
                else:
                    await store.verify(ReplicaKey(part.file, part.slot, part.piece))
            registry = net.chain.registry(member.key, net.entropy)
            await Surrendering(node, net.index, store, registry, net.clock, EPOCH).run_once()

    async def epochs(self, count: int = 1) -> None:
        """Whole epochs in which everybody does its duty."""
        for _ in range(count):
            await self.begin_epoch()
            await self.prove()
            await self.scrub()


def living_parameters(**changes: int) -> Parameters:
    """Hours, with one beacon."""
    values = {"start": START, "epoch": EPOCH, "heartbeat": EPOCH, "leaves_per_epoch": 16}
    values |= changes
    return Parameters(**values, beacons=(preimage(-1),))


@asynccontextmanager
async def living(members: int = 4, **changes: int) -> AsyncIterator[Living]:
    """A network of so many nodes with an owner, and a beacon."""
    async with network(members, living_parameters(**changes)) as net:
        yield Living(net, OwnerBench(net))
