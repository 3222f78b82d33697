"""How often the tasks of simulated nodes run."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from xdb.runtime.periodic import Periodic

MINUTE, HOUR = 60.0, 3600.0


@dataclass(frozen=True, slots=True)
class Paces:
    """Seconds between cycles. Longer ones make a virtual day cheaper, and every delay longer."""

    prover: float = MINUTE
    scrubber: float = MINUTE
    scrub_within: float = 24 * HOUR
    restore_within: float = 2 * HOUR
    collector: float = HOUR
    auditor: float = 5 * MINUTE
    health: float = 5 * MINUTE
    migrator: float = 5 * MINUTE
    renewer: float = HOUR
    journal: float = HOUR
    tick: float = MINUTE  # between blocks without calls


def slowed(tasks: Iterable[Periodic[Any]], paces: Paces) -> None:
    """Gives the prover its pace, which otherwise follows from the epoch."""
    for task in tasks:
        if task.name == "prover":
            task.every = paces.prover
