"""What a storage node does again and again."""

from typing import Any

from xdb.index.index import Index
from xdb.node.storage_ports import StoragePorts, StorageSettings
from xdb.ports.blockchain import Registry
from xdb.runtime.periodic import Periodic
from xdb.services.answering import Answering
from xdb.services.collection import Collection
from xdb.services.facts import Facts
from xdb.services.inventory import Inventory
from xdb.services.surrender import Surrendering
from xdb.store.replicas import ReplicaStore
from xdb.tasks.collector import CollectorTask
from xdb.tasks.heartbeat import HeartbeatTask
from xdb.tasks.prover import ProverTask
from xdb.tasks.scrubber import ScrubberTask
from xdb.tasks.seeds import SeedTask

PROVER_LOOKS = 20
"""Looks for a new seed in every epoch, but not more than `LONGEST_LOOK` seconds apart."""
PATIENCE = 4
"""Part of an epoch that a prover waits for a disk that gives nothing."""
SHORTEST_LOOK, LONGEST_LOOK = 0.5, 60.0


def storage_tasks(
    ports: StoragePorts, settings: StorageSettings, index: Index, facts: Facts, store: ReplicaStore
) -> tuple[Periodic[Any], ...]:
    """All of them, not started yet."""
    clock, entropy, log = ports.clock, ports.entropy.stream("tasks"), ports.log
    parameters = ports.backend.parameters
    registry = ports.backend.registry(ports.signer, ports.entropy.stream("signer"))
    heartbeat = HeartbeatTask(facts, ports.signer.address, registry)
    prover = _prover(ports, settings, index, registry, store)
    looks = min(max(parameters.epoch / PROVER_LOOKS, SHORTEST_LOOK), LONGEST_LOOK)
    collector = CollectorTask(Collection(settings.node, index), store, clock)
    scrub = settings.scrub
    surrendering = Surrendering(settings.node, index, store, registry, clock, scrub.restore_within)
    inventory = Inventory(settings.node, index, store, clock)
    scrubber = ScrubberTask(store, inventory, surrendering, scrub, clock, log)
    every = float(parameters.heartbeat)
    seeds = SeedTask(settings.node, index, registry)
    revealing = (Periodic("seeds", seeds.run_once, looks, clock, entropy, log),)
    return (
        Periodic("heartbeat", heartbeat.run_once, every, clock, entropy, log, at_once=True),
        Periodic("prover", prover.run_once, looks, clock, entropy, log, at_once=True),
        Periodic("scrubber", scrubber.run_once, scrub.every, clock, entropy, log),
        Periodic("collector", collector.run_once, settings.collector, clock, entropy, log),
        *(revealing if settings.seeds else ()),
    )


def _prover(
    ports: StoragePorts,
    settings: StorageSettings,
    index: Index,
    registry: Registry,
    store: ReplicaStore,
) -> ProverTask:
    answering = Answering(index, store, ports.compute, index.parameters.epoch // PATIENCE)
    return ProverTask(settings.node, ports.signer.address, index, registry, answering)
