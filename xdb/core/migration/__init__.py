"""Migration: what is restored, moved or added, and where; docs/health.md tells it in words.

`plan` decides from facts alone. Whoever has the same facts makes the same plan.
"""

from xdb.core.migration.describe import describe
from xdb.core.migration.model import (
    Action,
    Deferred,
    Hold,
    MigrationConfig,
    Plan,
    PlanFile,
    PlanNode,
    Step,
)
from xdb.core.migration.plan import plan

__all__ = [
    "Action",
    "Deferred",
    "Hold",
    "MigrationConfig",
    "Plan",
    "PlanFile",
    "PlanNode",
    "Step",
    "describe",
    "plan",
]
