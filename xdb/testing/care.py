"""What an owner in memory does to keep its files: probes, health, repair."""

from dataclasses import dataclass, field

from xdb.core.migration import MigrationConfig
from xdb.runtime.logging import logger
from xdb.services.auditing import Auditing
from xdb.services.health.book import HealthBook
from xdb.services.health.overview import HealthOverview
from xdb.services.repair.planning import Planner
from xdb.tasks.auditor import AuditorTask
from xdb.tasks.health import HealthTask
from xdb.tasks.migrator import MigratorTask
from xdb.testing.owner import OwnerBench


@dataclass
class Care:
    """Tasks over a bench, with what they remember beside its journal."""

    bench: OwnerBench
    migration: MigrationConfig = field(default_factory=MigrationConfig)
    book: HealthBook = field(init=False)

    def __post_init__(self) -> None:
        """Wires the tasks."""
        bench, net, log = self.bench, self.bench.network, logger("care")
        owner, index, seen = net.owner.address, net.index, self.bench.observations
        self.book = HealthBook(bench.journal_kv)
        auditing = Auditing(
            owner, index, bench.peers or net.peers(), seen, net.clock, net.entropy, leaves=4
        )
        self.auditor = AuditorTask(owner, index, auditing, bench.survey, log)
        self.health = HealthTask(owner, index, seen, self.book, net.clock, log)
        planner = Planner(owner, index, seen, self.book, bench.survey, net.clock, self.migration)
        self.migrator = MigratorTask(planner, bench.repairer, seen, bench.survey, log)
        self.overview = HealthOverview(seen, self.book, bench.catalog)
