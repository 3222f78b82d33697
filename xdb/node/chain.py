"""A chain server: ledger and sequencer, wired over ports. Nothing here touches the machine."""

from dataclasses import dataclass
from typing import Any

from xdb.blockchain.embedded.backend import local_registry
from xdb.blockchain.embedded.config import SequencerConfig
from xdb.blockchain.embedded.genesis import Genesis
from xdb.blockchain.embedded.ledger import Ledger
from xdb.blockchain.embedded.opening import open_ledger
from xdb.blockchain.embedded.sequencer import Sequencer
from xdb.blockchain.embedded.server import LedgerPeer
from xdb.core.beacon import HashChain
from xdb.ports.clock import Clock
from xdb.ports.compute import Compute
from xdb.ports.entropy import Entropy
from xdb.ports.keys import Signer
from xdb.ports.kv import KeyValue
from xdb.ports.spawn import Spawn
from xdb.runtime.logging import Log
from xdb.runtime.periodic import Periodic
from xdb.tasks.beacon import BeaconTask

LOOKS = 20
"""How often in an epoch the beacon looks whether a seed is missing."""
OFTENEST, RAREST = 0.5, 60.0
"""Seconds between its looks, at least and at most."""


@dataclass(frozen=True, slots=True)
class Beacon:
    """A beacon's key, and its chain in this deployment."""

    signer: Signer
    chain: HashChain


@dataclass(frozen=True, slots=True)
class ChainPorts:
    """The world of one chain server."""

    clock: Clock
    entropy: Entropy
    spawn: Spawn
    compute: Compute
    ledger: KeyValue
    signer: Signer
    beacon: Beacon | None  # the only one of the deployment, when its key is here
    log: Log


@dataclass(frozen=True, slots=True)
class ChainNode:
    """The sequencer, what is served, and what goes on beside it."""

    ports: ChainPorts
    ledger: Ledger
    sequencer: Sequencer
    tasks: tuple[Periodic[Any], ...]

    @property
    def source(self) -> LedgerPeer:
        """The chain as others ask for it."""
        return LedgerPeer(self.ledger, self.sequencer)

    def start_tasks(self) -> None:
        """Periodic work from now on. Its calls wait until blocks are made."""
        for task in self.tasks:
            self.ports.spawn.start(task.run(), name=task.name)

    async def ended(self) -> None:
        """Makes blocks; raises when no more can be made."""
        await self.sequencer.run()


async def open_chain(ports: ChainPorts, genesis: Genesis, config: SequencerConfig) -> ChainNode:
    """The sequencer over its ledger, whose newest blocks have been checked."""
    ledger = await open_ledger(ports.ledger, genesis, ports.compute)
    sequencer = Sequencer(ledger, ports.signer, ports.clock, config)
    if genesis.parameters.beacons and ports.beacon is None:
        ports.log.warning(
            "beacon.absent", reason="no [beacon] here: unless another reveals seeds, no audits"
        )
    return ChainNode(ports, ledger, sequencer, _tasks(ports, ledger, sequencer))


def _tasks(ports: ChainPorts, ledger: Ledger, sequencer: Sequencer) -> tuple[Periodic[Any], ...]:
    if ports.beacon is None:
        return ()
    entropy = ports.entropy.stream("beacon")
    registry = local_registry(ledger, sequencer, ports.beacon.signer, ports.clock, entropy)
    task = BeaconTask(ports.beacon.chain, ledger, sequencer, registry)
    every = min(max(registry.parameters.epoch / LOOKS, OFTENEST), RAREST)
    jitter = ports.entropy.stream("tasks")
    return (Periodic("beacon", task.run_once, every, ports.clock, jitter, ports.log, at_once=True),)
