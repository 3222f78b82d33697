"""What an owner node does to keep its files: probes, health, repair."""

from dataclasses import dataclass
from typing import Any

from xdb.core.migration import MigrationConfig
from xdb.node.owner_ports import OwnerPorts
from xdb.runtime.periodic import Periodic
from xdb.services.auditing import Auditing
from xdb.services.candidates import NodeSurvey
from xdb.services.health.book import HealthBook
from xdb.services.health.look import Viewpoint
from xdb.services.observations import Observations
from xdb.services.opening import Opener
from xdb.services.repair.job import RepairConfig
from xdb.services.repair.planning import Planner
from xdb.services.repair.repairer import Repairer
from xdb.services.upload.calls import NodeCalls
from xdb.tasks.auditor import AuditConfig, AuditorTask
from xdb.tasks.health import HealthTask
from xdb.tasks.migrator import MigratorTask

PROBES_AT_LEAST = 4
"""Probes of every node within the time that makes a silent node unreachable."""


@dataclass(frozen=True, slots=True)
class CareSettings:
    """How much is asked of nodes, how eagerly files are repaired, and within what bounds."""

    audit: AuditConfig
    migration: MigrationConfig
    repair: RepairConfig


@dataclass(frozen=True, slots=True)
class CarePaces:
    """Seconds between cycles."""

    auditor: float
    health: float
    migrator: float


@dataclass(frozen=True, slots=True)
class Care:
    """Probes, health and repair of one owner's files."""

    observations: Observations
    viewpoint: Viewpoint
    book: HealthBook
    planner: Planner
    auditor: AuditorTask
    health: HealthTask
    migrator: MigratorTask

    def periodic(self, ports: OwnerPorts, paces: CarePaces) -> tuple[Periodic[Any], ...]:
        """The tasks, not started yet."""
        clock, entropy, log = ports.clock, ports.entropy.stream("care"), ports.log
        # a silence must be seen several times before it is long enough to count
        pace = min(paces.auditor, self.auditor.index.parameters.unreachable / PROBES_AT_LEAST)
        return (
            Periodic("auditor", self.auditor.run_once, pace, clock, entropy, log),
            # at once: until then nobody can tell how the whole is
            Periodic(
                "health", self.health.run_once, paces.health, clock, entropy, log, at_once=True
            ),
            Periodic("migrator", self.migrator.run_once, paces.migrator, clock, entropy, log),
        )


def take_care(
    ports: OwnerPorts,
    opener: Opener,
    survey: NodeSurvey,
    observations: Observations,
    settings: CareSettings,
) -> Care:
    """Everything wired; what is kept lies beside the journal of uploads."""
    owner, index, log = ports.key.address, opener.index, ports.log
    book = HealthBook(ports.journal)
    auditing = Auditing(
        owner,
        index,
        ports.peers,
        observations,
        ports.clock,
        ports.entropy.stream("probes"),
        settings.audit.leaves,
    )
    planner = Planner(owner, index, observations, book, survey, ports.clock, settings.migration)
    repairer = Repairer(
        index,
        opener.manifests,
        NodeCalls(index, ports.peers, ports.clock),
        ports.key,
        ports.backend.registry(ports.key, ports.entropy.stream("repairs")),
        ports.compute,
        settings.repair,
    )
    return Care(
        observations=observations,
        viewpoint=Viewpoint(index, observations),
        book=book,
        planner=planner,
        auditor=AuditorTask(owner, index, auditing, survey, log),
        health=HealthTask(owner, index, observations, book, ports.clock, log),
        migrator=MigratorTask(planner, repairer, observations, survey, log),
    )
